"""A slot: where labs of the matrix run one after the other, each in a seal of its own.

Run as a program it is the slot's keeper: it makes a seal in which
`filterlab.matrix.template` waits for orders on the standard input it was given, and
stays as that seal's supervisor. `Slot` is the worker's side of it. A slot that dies is
made anew for the next order; what it was playing then could not be told.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from filterlab.lab.obstacle import Obstacle
from filterlab.lab.seal import run_sealed

# The imports of everything, on a machine that is busy with other slots' labs.
_READY_SECONDS = 60.0
# What the template may need beyond a lab's own limit to end it and say so.
_MARGIN_SECONDS = 10.0
_FAREWELL_SECONDS = 2.0


class SlotLost(Exception):  # noqa: N818 - what it is, not an error of ours
    """The slot's processes are gone, or do not answer; the text says what is known."""


class Slot:
    """One place for a lab; make one for each lab that may run at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._numbers = 0
        self._using = threading.Lock()

    def play(self, order: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Play one order within so many seconds; raises SlotLost."""
        with self._using:
            if self._process is None or self._process.poll() is not None:
                self._start()
            self._numbers += 1
            line = {**order, "id": self._numbers, "seconds": seconds}
            process = self._process
            assert process is not None and process.stdin is not None
            try:
                process.stdin.write(json.dumps(line).encode() + b"\n")
                process.stdin.flush()
                return self._answer(seconds + _MARGIN_SECONDS)
            except (OSError, SlotLost) as error:
                self._drop()
                raise SlotLost(f"the lab's slot is lost: {error}") from None

    def _start(self) -> None:
        self._drop()
        self._unread = b""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "filterlab.matrix.slot"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C is for whoever gives the orders; the end of its input ends a slot.
            start_new_session=True,
        )
        try:
            self._answer(_READY_SECONDS)
        except SlotLost as lost:
            said = self._drop()
            raise SlotLost(said.strip() or str(lost)) from None

    def _answer(self, within: float) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(within):
                    raise SlotLost(f"no answer within {within:g} s")
                data = os.read(self._process.stdout.fileno(), 65_536)
                if not data:
                    raise SlotLost("its process has ended")
                self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _drop(self) -> str:
        """End the slot's process and all that hangs from it; what it complained of."""
        process, self._process = self._process, None
        if process is None:
            return ""
        process.kill()  # its seal dies with it
        with process:
            said = process.stderr.read() if process.stderr is not None else b""
        return said.decode(errors="replace")

    def close(self) -> None:
        """End the slot, whatever runs in it; who waits for that gets SlotLost."""
        process = self._process
        if process is not None and self._using.locked():
            process.kill()
        with self._using:
            if process is not None and process.stdin is not None:
                process.stdin.close()  # an idle one ends by itself
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_FAREWELL_SECONDS)
            self._drop()


def main() -> int:
    """Keep a seal with a template in it, until the template ends."""
    try:
        return run_sealed([sys.executable, "-m", "filterlab.matrix.template"])
    except Obstacle as obstacle:
        print(obstacle, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
