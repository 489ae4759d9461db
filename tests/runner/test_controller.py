"""The controller's process as the runner hears it: real processes, on the loopback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from filterlab.lab.clock import wait_for
from filterlab.runner.controller import Controller, ControllerFault

WITHIN_SECONDS = 20.0
RAISES = 'raise RuntimeError("nothing works today")\n'
CHATTY = (
    "from os_ken.base import app_manager\n"
    "print('{not our line')\n"
    "print('[1, 2]')\n"
    "class App(app_manager.OSKenApp):\n"
    "    pass\n"
)


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (RAISES, "RuntimeError: nothing works today"),
        ("def f(:\n", "SyntaxError"),
        ("x = 1\n", "has no class derived from OSKenApp"),
    ],
)
def test_a_faulty_application_is_a_fault_in_its_own_words(
    tmp_path: Path, free_port: int, text: str, why: str
) -> None:
    (tmp_path / "app.py").write_text(text)
    arguments = ["--app", str(tmp_path / "app.py"), "--port", str(free_port)]
    controller = Controller(arguments, tmp_path / "controller.log")
    try:
        with pytest.raises(ControllerFault, match=why):
            controller.wait_ready(["exchange"])
        ended = wait_for("its end", controller.fault, WITHIN_SECONDS)
        assert ended == "the controller ended with status 70"  # EX_SOFTWARE
    finally:
        controller.stop()


def test_a_controller_that_is_ended_says_so_to_whoever_waits(
    tmp_path: Path, free_port: int
) -> None:
    (tmp_path / "app.py").write_text(CHATTY)
    arguments = ["--app", str(tmp_path / "app.py"), "--port", str(free_port)]
    controller = Controller(arguments, tmp_path / "controller.log")
    assert controller.fault() is None
    controller.stop()
    with pytest.raises(ControllerFault, match="ended with status"):
        controller.wait_ready(["exchange"])
    controller.stop()  # twice does no harm
