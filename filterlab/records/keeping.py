"""Makes a provider's records out of what passed its exchange.

A connection becomes a row as it ends; a subscriber's session lasts from the first
connection until none was open for a while.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from filterlab.records.entries import Flow, Session, Subscriber
from filterlab.records.reading import read
from filterlab.records.translation import External, Translations

Entry = Flow | Session | Subscriber


@dataclass(frozen=True, slots=True)
class Passed:
    """A connection that is over, as its exchange saw it; `up` is what the inside sent.

    Times are seconds since 1970 on the scenario's clock; `finding` holds what
    recognisers found, by the keys of policies. `led_to` is who answered in the place of
    the outside, where an exchange had led the connection there.
    """

    protocol: str
    inside: str
    inside_port: int
    outside: str
    outside_port: int
    start: float
    end: float
    bytes_up: int
    bytes_down: int
    finding: Mapping[str, str]
    led_to: str | None = None
    led_to_port: int = 0


@dataclass(slots=True)
class _Stay:
    """A subscriber's stretch of time in the network."""

    start_ms: int
    end_ms: int
    internal_ip: str
    bytes_up: int
    bytes_down: int


class Keeper:
    """Keeps the records of one provider."""

    def __init__(
        self,
        lines: Mapping[str, str],
        write: Callable[[Iterable[Entry]], None],
        silence_seconds: float,
        translations: Translations | None = None,
    ) -> None:
        """`lines` says whose each internal address is; `write` takes rows."""
        self._lines = lines
        self._write = write
        self._silence_ms = round(silence_seconds * 1000)
        self._translations = translations
        self._stays: dict[str, list[_Stay]] = {}
        self._lock = threading.Lock()

    def passed(self, connection: Passed) -> None:
        """Write a connection down."""
        flow = self._flow(connection)
        with self._lock:
            stays = self._stays.setdefault(flow.internal_ip, [])
            stays.append(
                _Stay(
                    flow.start_ms,
                    flow.end_ms,
                    flow.internal_ip,
                    flow.bytes_up,
                    flow.bytes_down,
                )
            )
        self._write([flow])

    def knows(self, connection: Passed) -> bool:
        """Whether it is known by now what the world saw of a connection."""
        if self._translations is None or ":" in connection.inside:
            return True
        return self._translations.knows(*_ends(connection))

    def close(self) -> None:
        """Write the sessions: who came and went, when, with how much."""
        with self._lock:
            for address, stays in self._stays.items():
                joined = _joined(stays, self._silence_ms)
                line = self._lines.get(address)
                self._write(
                    Session(
                        line,
                        stay.start_ms,
                        stay.end_ms,
                        stay.internal_ip,
                        stay.bytes_up,
                        stay.bytes_down,
                    )
                    for stay in joined
                )
            self._stays.clear()

    def _flow(self, one: Passed) -> Flow:
        seen = self._external(one)
        reading = read(one.finding)
        has_ports = one.protocol in ("tcp", "udp")
        return Flow(
            self._lines.get(one.inside),
            round(one.start * 1000),
            round(one.end * 1000),
            one.protocol,
            one.inside,
            one.inside_port if has_ports else None,
            seen.address if seen else None,
            seen.port if seen else None,
            reading.site_name,
            one.outside,
            one.outside_port if has_ports else None,
            one.bytes_up,
            one.bytes_down,
            reading.protocol,
            reading.hidden,
        )

    def _external(self, one: Passed) -> External | None:
        """What the world saw: the same address, where nothing translates it."""
        if self._translations is None or ":" in one.inside:
            has_ports = one.protocol in ("tcp", "udp")
            return External(one.inside, one.inside_port if has_ports else None)
        return self._translations.of(*_ends(one))


def _ends(one: Passed) -> tuple[str, str, int, str, int]:
    """The ends that a router behind the exchange sees."""
    outside = one.outside, one.outside_port
    if one.led_to is not None:
        outside = one.led_to, one.led_to_port
    return one.protocol, one.inside, one.inside_port, *outside


def _joined(stays: list[_Stay], silence_ms: int) -> list[_Stay]:
    """Stretches that overlap, or follow each other soon, made one."""
    joined: list[_Stay] = []
    for stay in sorted(stays, key=lambda one: (one.start_ms, one.end_ms)):
        last = joined[-1] if joined else None
        if last is None or stay.start_ms - last.end_ms > silence_ms:
            joined.append(stay)
            continue
        last.end_ms = max(last.end_ms, stay.end_ms)
        last.bytes_up += stay.bytes_up
        last.bytes_down += stay.bytes_down
    return joined
