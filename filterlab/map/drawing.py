"""Draws the map on a terminal of 80 columns, without needing colour.

One lane for each way that traffic takes: who on the left, the exchanges on the way
in the middle, to whom on the right. What crosses no exchange comes last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from filterlab.map.share import ExchangeShare, Journey, MapReport

WIDTH = 80
_LEFT, _MIDDLE = 20, 32  # columns of "who" and of "which way"; "to whom" has the rest
_SHOWN_CHOKE_POINTS = 5


@dataclass(frozen=True, slots=True)
class Lane:
    """Pairs that take the same exchanges there and back, between the same places."""

    there: tuple[str, ...]
    back: tuple[str, ...]  # as the answer meets them
    clients: tuple[tuple[str, int], ...]  # place and subscribers
    services: tuple[tuple[str, tuple[str, ...]], ...]  # place and hosts
    journeys: tuple[Journey, ...]

    @property
    def symmetric(self) -> bool:
        """Whether answers come back the way that questions went."""
        return self.there == self.back[::-1]


def lanes_of(report: MapReport) -> tuple[Lane, ...]:
    """The lanes of a map: the busiest first, and those without an exchange last."""
    grouped: dict[tuple[object, ...], list[Journey]] = defaultdict(list)
    for journey in report.journeys:
        ways = (journey.there.exchanges, journey.back.exchanges)
        grouped[(*ways, journey.service_place or journey.service)].append(journey)
    merged: dict[tuple[object, ...], list[Journey]] = defaultdict(list)
    for key, journeys in grouped.items():
        merged[(key[0], key[1], _clients(journeys))] += journeys
    lanes = [
        Lane(
            journeys[0].there.exchanges,
            journeys[0].back.exchanges,
            _clients(journeys),
            _services(journeys),
            tuple(journeys),
        )
        for journeys in merged.values()
    ]
    return tuple(
        sorted(
            lanes,
            key=lambda lane: (
                not (lane.there or lane.back),
                -sum(count for _, count in lane.clients),
            ),
        )
    )


def _clients(journeys: Sequence[Journey]) -> tuple[tuple[str, int], ...]:
    """Places and their subscribers; several clients of one place add up."""
    hosts = {j.client: (j.client_place or j.client, j.subscribers) for j in journeys}
    places: dict[str, int] = defaultdict(int)
    for place, subscribers in hosts.values():
        places[place] += subscribers
    return tuple(sorted(places.items()))


def _services(journeys: Sequence[Journey]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    places: dict[str, dict[str, None]] = defaultdict(dict)
    for journey in journeys:
        places[journey.service_place or "services"][journey.service] = None
    return tuple((place, tuple(hosts)) for place, hosts in places.items())


def draw_terminal(report: MapReport) -> str:
    """The map as plain text, at most 80 columns wide."""
    lines = [_columns("who", "which way", "to whom"), ""]
    for lane in lanes_of(report):
        lines += [*_lane(lane, report), ""]
    lines += _exchange_lines(report.exchanges)
    if report.journeys:
        lines.append(f"no exchange sees {percent(report.free_share)}")
        lines.append("(of the client-service pairs, weighted by subscribers)")
    lines += ["", *_choke_point_lines(report)]
    return "\n".join(line.rstrip()[:WIDTH] for line in lines).rstrip() + "\n"


def _lane(lane: Lane, report: MapReport) -> list[str]:
    left = _joined(lane.clients)
    middle = _way_lines(lane, report)
    right = [
        text
        for place, hosts in lane.services
        for text in (place, *(f"  {host}" for host in hosts))
    ]
    height = max(len(left), len(middle), len(right))
    # The arrows leave from the last of the clients, where their lines have met.
    down = len(left) - 1
    middle = [""] * down + middle
    right = [""] * down + right
    height = max(height, len(middle), len(right))
    rows = []
    for row in range(height):
        texts = [part[row] if row < len(part) else "" for part in (left, middle, right)]
        fill = "─" if row == down else " "
        rows.append(
            texts[0].ljust(_LEFT, fill if row == down else " ")
            + (("▶ " if row == down else "  ") + texts[1] + " ").ljust(_MIDDLE, fill)
            + ("▶ " if row == down else "  ")
            + texts[2]
        )
    return rows


def _joined(clients: Sequence[tuple[str, int]]) -> list[str]:
    """Client places, their lines gathered into one at the last of them."""
    rows = []
    for number, (place, subscribers) in enumerate(clients):
        last = number == len(clients) - 1
        corner = "─" if len(clients) == 1 else "┐" if number == 0 else "┤"
        corner = "┴" if last and len(clients) > 1 else corner
        label = f"{place[:9]:<9}{people(subscribers):>6} "
        rows.append(label + "──" + corner)
    return rows


def _way_lines(lane: Lane, report: MapReport) -> list[str]:
    if not lane.there and not lane.back:
        return ["( no exchange )", *_distance(lane)]
    if lane.symmetric:
        return [_boxes(lane.there), *_hops(lane), *_distance(lane)]
    return [
        f"out:  {_boxes(lane.there)}",
        f"back: {_boxes(lane.back)}",
        *_distance(lane),
    ]


def _boxes(exchanges: Sequence[str]) -> str:
    return " ─ ".join(f"[ {name} ]" for name in exchanges) or "( no exchange )"


def _hops(lane: Lane) -> list[str]:
    hops = [c.hop for j in lane.journeys for c in j.there.crossings]
    return [f"behind hop {_span(hops)}"] if hops else []


def _distance(lane: Lane) -> list[str]:
    hops = _span([j.there.hops for j in lane.journeys])
    delays = _span([round(j.round_trip_seconds * 1000) for j in lane.journeys])
    return [f"{hops} hops, {delays} ms there and back"]


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low}-{high}"


def _exchange_lines(exchanges: Sequence[ExchangeShare]) -> list[str]:
    lines = []
    for share in exchanges:
        if not share.pairs:
            lines.append(
                f"{share.exchange} is on nobody's way: no policy there matters"
            )
            continue
        directions = {
            "both directions": share.both,
            "only outbound": share.outbound_only,
            "only inbound": share.inbound_only,
        }
        seen = ", ".join(f"{percent(v)} {k}" for k, v in directions.items() if v)
        if sum(bool(value) for value in directions.values()) == 1:
            seen = next(key for key, value in directions.items() if value)
        total = percent(share.sees)
        lines.append(f"{share.exchange} sees {total}, {seen}")
    return lines


def _choke_point_lines(report: MapReport) -> list[str]:
    alike: dict[tuple[int, ...], list[str]] = defaultdict(list)
    cuts: dict[tuple[int, ...], float] = {}
    for point in report.choke_points:
        if point.role != "link":
            alike[point.cut_off].append(point.name)
            cuts[point.cut_off] = point.cuts
    if not alike:
        return ["no single point cuts anybody off"]
    lines = ["choke points: without any one of these, nothing else joins"]
    for cut_off, names in list(alike.items())[:_SHOWN_CHOKE_POINTS]:
        text = ", ".join(names)
        text = text if len(text) <= 66 else f"{text[:63].rsplit(',', 1)[0]}, ..."
        lines.append(f"  {percent(cuts[cut_off]):>6}  {text}")
    return lines


def _columns(left: str, middle: str, right: str) -> str:
    return f"{left:<{_LEFT + 2}}{middle:<{_MIDDLE}}{right}"


def percent(share: float) -> str:
    """A share in words of a person: whole percents, tenths where it is small."""
    value = share * 100
    return (
        f"{value:.1f} %" if 0 < value < 10 and round(value, 1) % 1 else f"{value:.0f} %"
    )


def people(count: int) -> str:
    """A number of subscribers, short: 6.0 M, 250 k, 12."""
    for limit, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return str(count)
