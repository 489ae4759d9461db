"""The JSON lines between the controller process and whoever started it.

Requests come down standard input, one object a line; answers and events go up
standard output. A fault is the last line of a process, which then ends with status 70.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

FAULT_STATUS = 70  # EX_SOFTWARE (sysexits.h)

_writing = threading.Lock()


def say(**fields: Any) -> None:
    """Write one line, whole, at once."""
    line = json.dumps(fields)
    with _writing:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def fault(text: str) -> NoReturn:
    """Say why nothing can go on, and end the process, whichever thread this is."""
    say(event="fault", text=text)
    sys.stderr.write(text + "\n")
    end(FAULT_STATUS)


def end(status: int = 0) -> NoReturn:
    """End the process at once: os-ken's threads would keep it alive."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def requests() -> Iterator[dict[str, Any]]:
    """The requests as they come; faulty ones are the caller's mistake, and end it."""
    for line in sys.stdin:
        try:
            request = json.loads(line)
        except json.JSONDecodeError as error:
            fault(f"a request that is no JSON: {error}: {line.strip()!r}")
        if not isinstance(request, dict):
            fault(f"a request that is no object: {line.strip()!r}")
        yield request
