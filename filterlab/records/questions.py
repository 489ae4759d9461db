"""What an authority asks the records, and what they cannot tell it.

Four questions: who had an address and port at a time, what a subscriber visited, who
visited a site, and who used a VPN. Each answer carries, beside its rows, what cannot
be known and why: a shared address without a port, a name that was encrypted, a tunnel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, distinct, func, or_, select

from filterlab.records.book import Book
from filterlab.records.moments import shown
from filterlab.records.tables import FLOW, RETENTION, SUBSCRIBER

# What recognisers call programs whose purpose is to carry other traffic.
TUNNELS = frozenset(
    {
        "dns_tunnel",
        "esp",
        "fake_tls",
        "gre",
        "icmp_tunnel",
        "isakmp",
        "l2tp",
        "mtproto",
        "obfs4",
        "openvpn",
        "pptp",
        "socks",
        "ssh",
        "tls_in_tls",
        "tor",
        "wireguard",
    }
)
_NAMED = 5  # subscribers, where the one that was asked for is not known
_SHOWN = (
    SUBSCRIBER.c.line,
    SUBSCRIBER.c.name,
    SUBSCRIBER.c.contract,
    FLOW.c.start_ms,
    FLOW.c.end_ms,
    FLOW.c.transport,
    FLOW.c.internal_ip,
    FLOW.c.internal_port,
    FLOW.c.external_ip,
    FLOW.c.external_port,
    FLOW.c.site_name,
    FLOW.c.site_ip,
    FLOW.c.site_port,
    FLOW.c.bytes_up,
    FLOW.c.bytes_down,
    FLOW.c.protocol,
    FLOW.c.hidden,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A question in words, the rows that answer it, and what stays unknown."""

    question: str
    rows: tuple[dict[str, Any], ...]
    unknown: tuple[str, ...] = ()


def who_had(
    book: Book, address: str, port: int | None, at_ms: int, to_ms: int | None = None
) -> Answer:
    """Who had an external address and port at a time, or at some time until `to_ms`.

    Without a port, or where the translation of addresses kept none, all who shared
    the address are named, and that it is not known which of them it was.
    """
    last_ms = at_ms if to_ms is None else to_ms
    then = [FLOW.c.external_ip == address, _during(at_ms, last_ms)]
    exact = [] if port is None else [FLOW.c.external_port == port]
    rows = _rows(book, _shown().where(*then, *exact))
    unknown = []
    if port is not None and not rows:
        rows = _rows(book, _shown().where(*then, FLOW.c.external_port.is_(None)))
        if rows:
            unknown.append("the address translation kept no log of ports")
    lines = {row["line"] for row in rows}
    if len(lines) > 1:
        unknown.append(
            f"{len(lines)} subscribers shared {address} then; which of them it was"
            " cannot be told" + ("" if port is not None else " without the port")
        )
    unknown += _nobody(rows)
    if not rows:
        unknown += _out_of_reach(book, at_ms, last_ms)
    what = address if port is None else f"{address} port {port}"
    return Answer(f"who had {what} at {shown(at_ms)}", tuple(rows), tuple(unknown))


def visited(
    book: Book, line: str, from_ms: int | None = None, to_ms: int | None = None
) -> Answer:
    """What a subscriber (by line, name or contract) visited, oldest first."""
    whose = or_(
        SUBSCRIBER.c.line == line,
        SUBSCRIBER.c.name == line,
        SUBSCRIBER.c.contract == line,
    )
    rows = _rows(book, _shown().where(whose, *_between(from_ms, to_ms)))
    unknown = _hidden(rows)
    if not rows:
        unknown += _no_such(book, whose, line)
    return Answer(f"what {line} visited", tuple(rows), tuple(unknown))


def visitors(
    book: Book, site: str, from_ms: int | None = None, to_ms: int | None = None
) -> Answer:
    """Who visited a site, by its name (and those below it) or its address."""
    names = or_(
        FLOW.c.site_name == site,
        FLOW.c.site_name.like("%." + _literally(site), escape="\\"),
        FLOW.c.site_ip == site,
    )
    rows = _rows(book, _shown().where(names, *_between(from_ms, to_ms)))
    where = {row["site_ip"] for row in rows if row["site_name"] is not None}
    nameless = _lines(
        book,
        FLOW.c.site_ip.in_(sorted(where)),
        or_(FLOW.c.site_name.is_(None), FLOW.c.hidden.is_not(None)),
        *_between(from_ms, to_ms),
    )
    unknown = []
    if nameless and site not in where:
        unknown.append(
            f"{_counted(nameless)} spoke with the same address without showing a name"
        )
    covered = FLOW.c.hidden == "ech"
    if behind := _lines(book, covered, ~names, *_between(from_ms, to_ms)):
        unknown.append(
            f"{_counted(behind)} showed a cover name alone (ECH); which site that was"
            " cannot be told"
        )
    if tunnelled := _lines(book, _is_tunnel(), *_between(from_ms, to_ms)):
        unknown.append(
            f"{_counted(tunnelled)} used a tunnel; what is behind it is not recorded"
        )
    unknown += _nobody(rows)
    return Answer(f"who visited {site}", tuple(rows), tuple(unknown))


def tunnel_users(
    book: Book, from_ms: int | None = None, to_ms: int | None = None
) -> Answer:
    """Who used a VPN or another tunnel that a recogniser knew."""
    rows = _rows(book, _shown().where(_is_tunnel(), *_between(from_ms, to_ms)))
    quiet = _lines(
        book,
        FLOW.c.hidden.is_not(None),
        ~_is_tunnel(),
        *_between(from_ms, to_ms),
    )
    unknown = []
    if quiet:
        unknown.append(
            f"{_counted(quiet)} had connections that show no name, or a cover;"
            " a tunnel that no recogniser knows looks the same"
        )
    unknown += _nobody(rows)
    return Answer("who used a VPN", tuple(rows), tuple(unknown))


def _shown() -> Select[Any]:
    joined = FLOW.outerjoin(SUBSCRIBER, FLOW.c.subscriber_id == SUBSCRIBER.c.id)
    return select(*_SHOWN).select_from(joined).order_by(FLOW.c.start_ms, FLOW.c.id)


def _during(at_ms: int, to_ms: int) -> ColumnElement[bool]:
    return (FLOW.c.start_ms <= to_ms) & (FLOW.c.end_ms >= at_ms)


def _between(from_ms: int | None, to_ms: int | None) -> list[ColumnElement[bool]]:
    wanted = []
    if from_ms is not None:
        wanted.append(FLOW.c.end_ms >= from_ms)
    if to_ms is not None:
        wanted.append(FLOW.c.start_ms <= to_ms)
    return wanted


def _is_tunnel() -> ColumnElement[bool]:
    known = func.coalesce(FLOW.c.protocol, "").in_(sorted(TUNNELS))
    return (func.coalesce(FLOW.c.hidden, "") == "tunnel") | known


def _lines(book: Book, *wanted: ColumnElement[bool]) -> int:
    """How many subscribers have a flow of this kind."""
    counted = select(func.count(distinct(FLOW.c.subscriber_id))).where(*wanted)
    return int(book.ask(counted)[0][0])


def _rows(book: Book, query: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in book.ask(query)]


def _literally(pattern: str) -> str:
    return pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _hidden(rows: Iterable[dict[str, Any]]) -> list[str]:
    """What of a subscriber's own visits is not known."""
    why: dict[str, int] = {}
    for row in rows:
        if row["protocol"] in TUNNELS or row["hidden"] == "tunnel":
            why["tunnel"] = why.get("tunnel", 0) + 1
        elif row["hidden"] is not None:
            why[row["hidden"]] = why.get(row["hidden"], 0) + 1
    texts = {
        "tunnel": "went into a tunnel: only its server is known, not what is behind it",
        "ech": "encrypted the site's name (ECH): the name shown is a cover",
        "encrypted": "cannot be read at all: only address, port and size are known",
        "no name": "showed no name: only the address is known",
    }
    return [f"{_flows(count)} {texts[kind]}" for kind, count in sorted(why.items())]


def _no_such(book: Book, whose: ColumnElement[bool], line: str) -> list[str]:
    if book.ask(select(SUBSCRIBER.c.id).where(whose)):
        return []
    known = [row[0] for row in book.ask(select(SUBSCRIBER.c.line))]
    few = ", ".join(sorted(known)[:_NAMED])
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    there = f"; known are {few}{more}" if known else ""
    return [f"no subscriber is called {line}{there}"]


def _out_of_reach(book: Book, at_ms: int, to_ms: int) -> list[str]:
    """Why nobody is found at a time: the records do not reach there, or nobody was."""
    [(limit,)] = book.ask(select(func.max(RETENTION.c.limit_ms)))
    if limit is not None and at_ms < limit:
        return [f"what ended before {shown(limit)} has been deleted for its age"]
    sums = select(func.min(FLOW.c.start_ms), func.max(FLOW.c.end_ms))
    [(first, last)] = book.ask(sums)
    if first is None:
        return ["no connection is recorded at all"]
    if to_ms < first or at_ms > last:
        return [f"the records reach from {shown(first)} to {shown(last)}"]
    return []


def _nobody(rows: Iterable[dict[str, Any]]) -> list[str]:
    count = sum(row["line"] is None for row in rows)
    says = "belongs" if count == 1 else "belong"
    return [f"{_flows(count)} {says} to no known subscriber"] if count else []


def _flows(count: int) -> str:
    return f"{count} connection" if count == 1 else f"{count} connections"


def _counted(count: int) -> str:
    return f"{count} subscriber" if count == 1 else f"{count} subscribers"
