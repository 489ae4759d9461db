"""Joins connections with the log of the router that translates their addresses.

The log is that of `conntrack -E -e NEW` (conntrack-tools): one line for each new
connection, with its ends before and, as the answer will come, after the translation.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict, deque
from dataclasses import dataclass

_NEW = re.compile(r"\[NEW\]\s+(?P<protocol>\S+)")
_FIELD = re.compile(r"\b(src|dst|sport|dport)=(\S+)")

_Key = tuple[str, str, int, str, int]


@dataclass(frozen=True, slots=True)
class External:
    """An end as the world sees it; without ports for protocols that have none."""

    address: str
    port: int | None


class Translations:
    """The translations seen so far, each for one connection.

    Ends are used again; the connections of the same ends are told apart by their
    order, which is that of the log.
    """

    def __init__(self, *, keeps_ports: bool = True) -> None:
        """`keeps_ports`: some providers' logs name the shared address alone."""
        self._keeps_ports = keeps_ports
        self._seen: defaultdict[_Key, deque[External]] = defaultdict(deque)
        self._lock = threading.Lock()

    def line(self, text: str) -> bool:
        """Take a line of the log; whether it was one of a new connection."""
        kind = _NEW.search(text)
        if kind is None:
            return False
        fields = _FIELD.findall(text)
        before = dict(reversed([f for f in fields[: len(fields) // 2]]))
        after = dict(fields[len(fields) // 2 :])
        if "src" not in before or "dst" not in after:
            return False
        key = (
            kind["protocol"],
            before["src"],
            int(before.get("sport", 0)),
            before["dst"],
            int(before.get("dport", 0)),
        )
        port = after.get("dport")
        kept = int(port) if port is not None and self._keeps_ports else None
        with self._lock:
            self._seen[key].append(External(after["dst"], kept))
        return True

    def knows(
        self, protocol: str, inside: str, port: int, outside: str, outside_port: int
    ) -> bool:
        """Whether a connection of these ends was seen."""
        with self._lock:
            return bool(self._seen.get((protocol, inside, port, outside, outside_port)))

    def of(
        self, protocol: str, inside: str, port: int, outside: str, outside_port: int
    ) -> External | None:
        """What a connection of these ends was seen as; None if nothing is known."""
        key = (protocol, inside, port, outside, outside_port)
        with self._lock:
            seen = self._seen.get(key)
            if not seen:
                return None
            # The last one stays: a long connection may be told in several parts.
            return seen.popleft() if len(seen) > 1 else seen[0]
