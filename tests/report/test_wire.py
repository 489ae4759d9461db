"""The two sides of an exchange tell what passed, what stopped and what it made."""

from __future__ import annotations

from pathlib import Path

from filterlab.report.wire import flow_of_endpoint, read_wires
from tests.report.folder import (
    ANSWER,
    CLIENT,
    FORGED,
    HELLO,
    LATE,
    PORT,
    SERVER,
    write_captures,
)

FLOW = flow_of_endpoint(["tcp", CLIENT, PORT, SERVER, 443])


def test_each_frame_is_told_once_with_both_its_numbers(tmp_path: Path) -> None:
    write_captures(tmp_path)
    wires, unread = read_wires(tmp_path)
    assert not unread
    crossings = wires["first"].crossings([FLOW], None)
    told = {one.frame: one for one in crossings}
    assert len(told) == len(crossings) == 5
    assert told[HELLO].numbers == {"inside": 3, "outside": 3}
    assert told[HELLO].delay == 30_000_000
    assert told[ANSWER].numbers == {"outside": 2, "inside": 2}
    assert not told[ANSWER].from_inside


def test_what_never_came_was_made_and_what_never_left_was_stopped(
    tmp_path: Path,
) -> None:
    write_captures(tmp_path)
    wires, _ = read_wires(tmp_path)
    told = {one.frame: one for one in wires["first"].crossings([FLOW], None)}
    assert told[FORGED].came is None
    assert told[FORGED].numbers == {"inside": 4}
    assert not told[FORGED].from_inside
    assert told[LATE].left is None
    assert told[LATE].numbers == {"outside": 4}


def test_other_flows_and_other_times_are_left_out(tmp_path: Path) -> None:
    write_captures(tmp_path)
    wires, _ = read_wires(tmp_path)
    other = flow_of_endpoint(["tcp", CLIENT, PORT + 1, SERVER, 443])
    assert not wires["first"].crossings([other], None)
    assert not wires["first"].crossings([FLOW], (0, 1))


def test_a_damaged_capture_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    write_captures(tmp_path)
    (tmp_path / "second-inside.pcapng").write_bytes(b"no capture")
    wires, unread = read_wires(tmp_path)
    assert set(wires) == {"first"}
    assert "second-inside.pcapng cannot be read" in unread[0]
