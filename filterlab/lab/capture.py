"""Keeps every frame of both sides of each exchange, in one pcapng file a side.

The frames are written by a process of their own (`recorder.py`), so that a busy lab
cannot delay it, nor it the lab.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filterlab.captures import pcapng

RECORDER = Path(__file__).with_name("recorder.py")
NANOSECONDS = bytes([9])  # if_tsresol: 10^-9


class RecorderError(RuntimeError):
    """The writer could not start or died; the text is what it last said."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one file got."""

    path: Path
    frames: int
    dropped: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CaptureSummary:
    """What a capture kept and, never hidden, what it lost."""

    files: Mapping[str, Written]  # by label

    @property
    def frames(self) -> int:
        """Frames written, over all files."""
        return sum(file.frames for file in self.files.values())

    @property
    def dropped(self) -> int:
        """Frames that the kernel had no room for, over all files."""
        return sum(file.dropped for file in self.files.values())

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files.values())


class Capture:
    """A capture of some interfaces of this network namespace.

    `interfaces` maps a label ("beltelecom-inside") to an interface, or to several
    that share a file; the files are `folder`/LABEL.pcapng. `snap_bytes` of 0 keeps
    frames whole. `enter` are the words that lead into another namespace. Also a
    context manager.
    """

    def __init__(
        self,
        interfaces: Mapping[str, str | Sequence[str]],
        folder: Path,
        snap_bytes: int = 0,
        enter: Sequence[str] = (),
    ) -> None:
        self._interfaces = {
            label: (names,) if isinstance(names, str) else tuple(names)
            for label, names in interfaces.items()
        }
        self._folder = folder
        self._snap_bytes = snap_bytes
        self._enter = tuple(enter)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / "capture.log"

    def path(self, label: str) -> Path:
        """Where the frames of this label are."""
        return self._folder / f"{label}.pcapng"

    @property
    def alive(self) -> bool:
        """Whether the writer runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns once every interface is captured; raises `RecorderError`."""
        self.begin()
        self.wait_ready()

    def begin(self) -> None:
        """Starts the writer without waiting for it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        arguments: list[str] = []
        for label, names in self._interfaces.items():
            self.path(label).write_bytes(file_head(label, names, self._snap_bytes))
            parting = ["--"] if arguments else []
            arguments += [*parting, str(self.path(label)), str(self._snap_bytes)]
            arguments += names
        with self._log.open("wb") as log:
            # -I -S: nothing but the standard library, which halves the start-up time.
            self._process = subprocess.Popen(
                [*self._enter, sys.executable, "-I", "-S", str(RECORDER), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C must not cut the evidence short
            )

    def wait_ready(self) -> None:
        """Returns once every interface is captured; raises `RecorderError`."""
        assert self._process is not None
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"capturing\n":
            raise self._failure("did not start")

    def stop(self, within: float = 30.0) -> CaptureSummary:
        """Ends the capture once all that was on the wire before the call is written."""
        process = self._process
        if process is None:
            raise RecorderError("the capture was never started, or is stopped")
        try:
            said, _ = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            process.kill()
            raise self._failure(f"did not end within {within:g} s") from None
        if process.returncode != 0:
            raise self._failure("died")
        self._process = None
        counts = json.loads(said)
        return CaptureSummary(
            {
                label: Written(self.path(label), *counts[str(self.path(label))])
                for label in self._interfaces
            }
        )

    def _failure(self, what: str) -> RecorderError:
        process, self._process = self._process, None
        if process is not None:
            with process:  # closes its pipes, which ends it, and waits
                pass
        lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        return RecorderError(f"capture {what}: {lines[-1] if lines else 'no word'}")

    def __enter__(self) -> Capture:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is not None:
            self.stop()


def file_head(label: str, interfaces: Sequence[str], snap_bytes: int) -> bytes:
    """The blocks that stand before the first frame of a file."""
    section = pcapng.section_block(
        [
            (pcapng.COMMENT, f"both directions at {label}".encode()),
            (pcapng.SHB_HARDWARE, b"simulated"),
            (pcapng.SHB_APPLICATION, b"FilterLab"),
        ]
    )
    blocks = [section]
    for name in interfaces:
        options = (
            (pcapng.IF_NAME, name.encode()),
            (pcapng.IF_DESCRIPTION, label.encode()),
            (pcapng.IF_TSRESOL, NANOSECONDS),
        )
        interface = pcapng.Interface(pcapng.ETHERNET, snap_bytes, options)
        blocks.append(pcapng.interface_block(interface))
    return b"".join(block.encode() for block in blocks)
