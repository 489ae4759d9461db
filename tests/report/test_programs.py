"""An attempt that no rule explains shows what its tool's programs said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from filterlab.report.programs import LAST_LINES, said


def entry(began: float, reached: bool = True) -> dict[str, Any]:
    control = {"reached": reached}
    return {"name": "a [page]", "through": "x", "began": began, "control": control}


def write(folder: Path, name: str, text: str) -> None:
    (folder / "logs").mkdir(exist_ok=True)
    (folder / "logs" / name).write_text(text)


def test_a_failed_control_shows_the_first_start(tmp_path: Path) -> None:
    write(tmp_path, "a-[page]-1_server.log", "listening\nwrong password\n")
    write(tmp_path, "a-[page]-1_client.log", "")
    write(tmp_path, "a-p-1_server.log", "another probe's\n")
    failed = entry(1.0, reached=False)
    (only,) = said(tmp_path, failed, [failed])
    assert only.log == "logs/a-[page]-1_server.log"
    assert only.lines == ("listening", "wrong password")


def test_each_attempt_shows_its_own_start(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(tmp_path, f"a-[page]-{number}_client.log", f"start {number}\n")
    later, sooner = entry(9.0), entry(4.0)
    assert said(tmp_path, sooner, [later, sooner])[0].lines == ("start 2",)
    assert said(tmp_path, later, [later, sooner])[0].lines == ("start 3",)


def test_a_session_that_is_kept_shows_its_one_start(tmp_path: Path) -> None:
    write(tmp_path, "a-[page]-1_client.log", "only once\n")
    first, second = entry(1.0), entry(2.0)
    assert said(tmp_path, second, [first, second])[0].lines == ("only once",)


def test_only_the_end_of_a_long_log_is_shown(tmp_path: Path) -> None:
    write(tmp_path, "a-[page]-2_client.log", "".join(f"{n}\n" for n in range(10**5)))
    one = entry(1.0)
    lines = said(tmp_path, one, [one])[0].lines
    assert len(lines) == LAST_LINES
    assert lines[-1] == "99999"


def test_a_probe_without_a_tool_has_no_programs(tmp_path: Path) -> None:
    write(tmp_path, "a-[page]-1_client.log", "not a tool's\n")
    direct = entry(1.0, reached=False) | {"through": None}
    assert said(tmp_path, direct, [direct]) == ()
