"""What is written into the records: subscribers, sessions and flows, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Whom the operator knows behind a line; `line` is the client's name in the lab."""

    line: str
    name: str | None = None
    contract: str | None = None
    address: str | None = None
    document: str | None = None
    device: str | None = None
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """From a subscriber's first packet to the last before a long silence.

    Times are milliseconds since 1970 on the scenario's clock; bytes are those of IP
    packets. `line` is None where nobody knows whose address it was.
    """

    line: str | None
    start_ms: int
    end_ms: int
    internal_ip: str
    bytes_up: int
    bytes_down: int


@dataclass(frozen=True, slots=True)
class Flow:
    """One connection: whose, when, between which ends, to which site, how much.

    `external_*` is what the site saw; None where an address translation keeps no log
    of it. `hidden` says why `site_name` is missing or only a cover: `ech`, `tunnel`,
    `encrypted` or `no name`.
    """

    line: str | None
    start_ms: int
    end_ms: int
    transport: str
    internal_ip: str
    internal_port: int | None
    external_ip: str | None
    external_port: int | None
    site_name: str | None
    site_ip: str
    site_port: int | None
    bytes_up: int
    bytes_down: int
    protocol: str | None = None
    hidden: str | None = None
