"""Starting applications: Ryu's names, and what happens when one fails."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

FAULT_STATUS = 70


def launch(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "filterlab.openflow.launch", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def run_python(text: str) -> str:
    """Run it apart: os-ken and Ryu's names are for the whole of a process."""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def fault_of(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == FAULT_STATUS, done.stderr
    (line,) = done.stdout.splitlines()
    said = json.loads(line)
    assert said["event"] == "fault"
    return str(said["text"])


def test_modules_of_ryu_are_those_of_os_ken() -> None:
    said = run_python(
        "from filterlab.openflow.ryu import offer_ryu\n"
        "offer_ryu(); offer_ryu()\n"
        "import os_ken.lib.packet.packet, os_ken.base.app_manager as ours\n"
        "from ryu.base import app_manager\n"
        "from ryu.lib.packet import packet, ethernet, ether_types\n"
        "from ryu.controller.handler import set_ev_cls\n"
        "from ryu.ofproto import ofproto_v1_3\n"
        "assert app_manager is ours and packet is os_ken.lib.packet.packet\n"
        "assert app_manager.RyuApp is ours.OSKenApp\n"
        "assert ours.__spec__.name == 'os_ken.base.app_manager'\n"
        "print(ofproto_v1_3.__name__)"
    )
    assert said == "os_ken.ofproto.ofproto_v1_3"


def test_what_os_ken_does_not_have_is_no_module_of_ryu_either() -> None:
    said = run_python(
        "from filterlab.openflow.ryu import offer_ryu\n"
        "offer_ryu()\n"
        "try:\n    import ryu.app.simple_switch_13\n"
        "except ModuleNotFoundError as error:\n    print(error.name)"
    )
    assert said == "ryu.app.simple_switch_13"


def test_a_file_that_is_not_there_is_a_fault() -> None:
    assert "there is no file missing.py" in fault_of(launch("--app", "missing.py"))


def test_a_file_without_an_application_is_a_fault(tmp_path: Path) -> None:
    empty = tmp_path / "empty.py"
    empty.write_text("x = 1\n")
    assert "has no class derived from OSKenApp" in fault_of(launch("--app", str(empty)))


def test_a_mistake_in_the_file_is_a_fault_with_its_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import nothing_of_that_name\n")
    text = fault_of(launch("--app", str(wrong)))
    assert "nothing_of_that_name" in text
    assert "line 1" in text


def test_a_port_that_is_taken_is_a_fault(tmp_path: Path) -> None:
    idle = tmp_path / "idle.py"
    idle.write_text(
        "from os_ken.base.app_manager import OSKenApp\n"
        "from os_ken.controller import ofp_event\n"
        "class Idle(OSKenApp):\n    pass\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = launch("--app", str(idle), "--port", str(port))
    assert "Address already in use" in fault_of(done)


def exchange_config(folder: Path, port: int) -> Path:
    controllers = Path(__file__).parents[2] / "controllers"
    config = {
        "app": str(controllers / "exchange.py"),
        "listen_port": port,
        "decisions": str(folder / "decisions.jsonl"),
        "seed": 7,
        "exchanges": [
            {
                "name": "ntec",
                "dpid": "7",
                "ports": [{"number": 1, "side": "inside", "mac": None}],
            }
        ],
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


def test_the_exchange_ends_when_its_starter_is_gone(tmp_path: Path) -> None:
    done = launch(str(exchange_config(tmp_path, free_port())))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_request_that_nobody_knows_is_a_fault(tmp_path: Path) -> None:
    config = exchange_config(tmp_path, free_port())
    done = subprocess.run(
        [sys.executable, "-m", "filterlab.openflow.launch", str(config)],
        input='{"id": 1, "do": "dance"}\n',
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(os.environ),
    )
    assert "a request to do 'dance'" in fault_of(done)
