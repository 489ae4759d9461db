"""What programs say, copied from their pipes into one file each, up to a limit.

A pipe and not the file itself, because only then a program that floods its log is
stopped in time: RLIMIT_FSIZE would also cut what it writes on purpose.
"""

from __future__ import annotations

import os
import selectors
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

# A VPN at its most talkative writes some 100 kB a run; 4 MB is a loop gone wrong,
# and still opens in an editor.
LOG_LIMIT_BYTES = 4 * 1024 * 1024
_PIPE_BYTES = 65536  # pipe(7): what a pipe holds, so more is never there at once


class Log:
    """One program's output in a file; `flooded` once it said more than the limit."""

    def __init__(self, path: Path, on_flood: Callable[[], None]) -> None:
        self.path = path
        self.flooded = False
        self.ended = threading.Event()
        self._on_flood = on_flood
        self._file = path.open("ab", buffering=0)  # for `note`
        self._left_bytes = LOG_LIMIT_BYTES

    def take(self, data: bytes) -> bool:
        """Write what was said; False when the program is not listened to any more."""
        self._file.write(data[: self._left_bytes])
        self._left_bytes -= len(data)
        if self._left_bytes >= 0:
            return True
        self._file.write(b"\n[the log ends here: its limit is reached]\n")
        self.flooded = True
        self._on_flood()
        return False

    def note(self, text: str) -> None:
        """Add a line of the lab's own."""
        with self.path.open("a") as file:
            file.write(f"\n[{text}]\n")

    def end(self) -> None:
        """Nothing more will come."""
        self._file.close()
        self.ended.set()

    def text(self) -> str:
        """All that was said so far."""
        return self.path.read_text(errors="replace")

    def tail(self, lines: int) -> list[str]:
        """The last lines, without the empty ones."""
        with self.path.open(errors="replace") as file:
            kept = deque((line.rstrip() for line in file if line.strip()), lines)
        return list(kept)


class LogWriter:
    """A thread that copies the output of many programs; idle while they are silent."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._arrivals: list[tuple[int, Log]] = []
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()

    def listen(self, log: Log) -> int:
        """A descriptor to hand to a program, to be closed here afterwards."""
        read_end, write_end = os.pipe()
        with self._lock:
            self._arrivals.append((read_end, log))
        os.write(self._wake_write, b"n")
        return write_end

    def close(self) -> None:
        """End the thread and close what it still listens to."""
        if self._closing:
            return
        self._closing = True
        os.write(self._wake_write, b"q")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                self._drop(key.fd, key.data)
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                if key.data is None:
                    os.read(self._wake_read, _PIPE_BYTES)
                    self._welcome()
                else:
                    self._copy(key.fd, key.data)

    def _welcome(self) -> None:
        with self._lock:
            arrivals, self._arrivals = self._arrivals, []
        for read_end, log in arrivals:
            self._selector.register(read_end, selectors.EVENT_READ, log)

    def _copy(self, read_end: int, log: Log) -> None:
        data = os.read(read_end, _PIPE_BYTES)
        if not data or not log.take(data):
            self._drop(read_end, log)

    def _drop(self, read_end: int, log: Log) -> None:
        self._selector.unregister(read_end)
        os.close(read_end)
        log.end()
