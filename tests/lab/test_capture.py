"""A capture that cannot start says so, and the recorder's own parts are right."""

from __future__ import annotations

import ast
import sys
from io import BytesIO
from pathlib import Path

import pytest

from filterlab.captures import pcapng
from filterlab.lab.capture import (
    RECORDER,
    Capture,
    CaptureSummary,
    RecorderError,
    Written,
    file_head,
)


def test_an_interface_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    capture = Capture({"x-inside": "no-such-port"}, tmp_path)
    with pytest.raises(RecorderError, match="capture did not start: "):
        capture.start()
    assert not capture.alive


def test_stopping_what_never_started_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="never started"):
        Capture({}, tmp_path).stop()


def test_a_capture_of_nothing_starts_and_stops(tmp_path: Path) -> None:
    capture = Capture({}, tmp_path)
    capture.start()
    assert capture.alive
    assert capture.stop() == CaptureSummary({})
    assert not capture.alive


def test_the_head_of_a_file_names_every_interface() -> None:
    data = file_head("ntec-inside", ("ntec-eth1", "ntec-eth2"), 96)
    section, *interfaces = pcapng.BlockReader(BytesIO(data))
    assert section.kind == pcapng.SECTION
    described = [pcapng.decode_interface(block) for block in interfaces]
    assert [interface.name for interface in described] == ["ntec-eth1", "ntec-eth2"]
    assert {interface.snap_length for interface in described} == {96}
    assert described[0].nanoseconds(5, "<") == 5


def test_a_summary_adds_up_and_hides_no_loss(tmp_path: Path) -> None:
    one, two = Written(tmp_path, 3, 0, 100), Written(tmp_path, 4, 2, 200)
    summary = CaptureSummary({"one": one, "two": two})
    assert (summary.frames, summary.dropped, summary.bytes) == (7, 2, 300)


def test_the_recorder_imports_the_standard_library_only() -> None:
    tree = ast.parse(RECORDER.read_text())
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert names <= sys.stdlib_module_names
