"""Servers of a tool that several probes use: up with the first, there until the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from filterlab.runner.plan import PlannedProbe
from filterlab.tools.starting import Start


class SharedServers:
    """The servers of one tool, for any number of clients."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._start: Start | None = None

    def start(self, start: Callable[[], Start]) -> Start:
        """The servers as they run; the first to ask has them started by `start`."""
        with self._starting:
            if self._start is None:
                self._start = start()
            return self._start


def shared_servers(probes: Iterable[PlannedProbe]) -> dict[str, SharedServers]:
    """What is shared, by each probe that shares it."""
    found: dict[str, SharedServers] = {}
    for planned in probes:
        if (owner := planned.probe.server_of) is not None:
            found[planned.name] = found.setdefault(owner, SharedServers())
    return found
