"""Puts the exchange's decisions as comments on the frames of a capture.

A decision names its deciding frame by the SHA-1 of its bytes. A frame that leaves an
exchange on one side and never arrived on the other was made by the exchange itself:
nothing else can put one there. Only of a flow that is led elsewhere the answers arrive
under another address than the one under which they go on.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from ipaddress import ip_address
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO

from filterlab.captures import pcapng
from filterlab.inspection.flow import PROTOCOL_NAMES
from filterlab.inspection.packet import Packet, dissect

MARK = "filterlab: "  # what our comments begin with, so that they can be renewed
_MARK = MARK.encode()
_COPIED_BYTES = 1 << 20  # at a time, so that a big capture is never in memory whole
SIDES = {"inside": "outside", "outside": "inside"}

# EtherType IPv4, and version 4 with a header of 20 bytes (RFC 791, 3.1)
_PLAIN_IPV4 = b"\x08\x00\x45"

Flow = tuple[int, frozenset[tuple[bytes, int]]]  # protocol, and both ends
_NUMBERS = {name: number for number, name in PROTOCOL_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame that matters, without its bytes."""

    number: int
    nanoseconds: int
    direction: int
    digest: str


@dataclass(slots=True)
class Sightings:
    """What one capture file holds of the frames and flows that were decided."""

    by_digest: dict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    by_flow: dict[Flow, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    places: dict[int, tuple[int, int]] = field(default_factory=dict)  # from, to
    marked: set[int] = field(default_factory=set)  # frames with a comment of ours
    end: int = 0  # of the last whole block


def annotate(
    capture: Path, decisions: Sequence[Mapping[str, Any]], other: Path | None = None
) -> dict[int, int]:
    """Comments `capture` in place; says which decision fell on which frame number.

    `decisions` are lines of `decisions.jsonl`; those of another exchange than the
    file's (EXCHANGE-inside.pcapng) are left out. `other` is the capture of the
    exchange's other side, by default the file of that name beside it; without it no
    frame is called injected. Done again, it gives the same file again.
    """
    exchange, _, side = capture.stem.rpartition("-")
    mine = {
        index: decision
        for index, decision in enumerate(decisions)
        if decision.get("exchange", exchange) == exchange or side not in SIDES
    }
    if other is None and side in SIDES:
        beside = capture.with_name(f"{exchange}-{SIDES[side]}{capture.suffix}")
        other = beside if beside.exists() else None
    digests = {str(decision["frame_bytes_sha1"]) for decision in mine.values()}
    flows = {_flow_of(decision) for decision in mine.values()}
    here = _sightings(capture, digests, flows)
    across = _sightings(other, digests, flows) if other else Sightings()

    found = _deciding(mine, here)
    comments: dict[int, list[str]] = defaultdict(list)
    for index, frame in found.items():
        comments[frame.number].append(_decided_by(mine[index]))
    if other:
        moments = {**_deciding(mine, across), **found}
        for number, text in _injections(mine, moments, here, across):
            comments[number].append(text)
    if comments or here.marked:
        _rewrite(capture, comments, here)
    return {index: frame.number for index, frame in found.items()}


def _sightings(path: Path, digests: set[str], flows: set[Flow]) -> Sightings:
    result = Sightings()
    known: dict[bytes, bool] = {}  # the headers of a bulk flow are looked at once
    interfaces: list[pcapng.Interface] = []
    number = 0
    with path.open("rb") as stream:
        reader = pcapng.BlockReader(stream)
        for block in reader:
            if block.kind == pcapng.SECTION:
                interfaces = []
            elif block.kind == pcapng.INTERFACE:
                interfaces.append(pcapng.decode_interface(block))
            elif block.kind in (pcapng.PACKET, pcapng.SIMPLE):
                number += 1
            if block.kind != pcapng.PACKET:
                continue
            data = pcapng.packet_data(block)
            heads = data[12:15] + data[20:24] + data[26:38]
            if heads[:3] != _PLAIN_IPV4 or heads not in known:
                known[heads] = _flow_in(data) in flows
            if known[heads]:
                _note(result, number, block, interfaces, digests)
                result.places[number] = (reader.at, reader.end)
            if _MARK in block.body:
                result.marked.add(number)
                result.places[number] = (reader.at, reader.end)
        result.end = reader.end
    return result


def _note(
    result: Sightings,
    number: int,
    block: pcapng.Block,
    interfaces: list[pcapng.Interface],
    digests: set[str],
) -> None:
    packet = pcapng.decode_packet(block)
    digest = sha1(packet.data, usedforsecurity=False).hexdigest()
    seen = Seen(
        number,
        interfaces[packet.interface].nanoseconds(packet.ticks, block.order),
        pcapng.direction_of(packet.options, block.order),
        digest,
    )
    flow = _flow_in(packet.data)
    if digest in digests:
        result.by_digest[digest].append(seen)
    if flow is not None:
        result.by_flow[flow].append(seen)


def _deciding(
    decisions: Mapping[int, Mapping[str, Any]], sightings: Sightings
) -> dict[int, Seen]:
    """The frame of each decision: its bytes, and of equal ones the nearest in time."""
    candidates = {
        index: sightings.by_digest[decision["frame_bytes_sha1"]]
        for index, decision in decisions.items()
        if decision["frame_bytes_sha1"] in sightings.by_digest
    }
    offset = _clock_offset(decisions, candidates)
    taken: set[int] = set()
    result: dict[int, Seen] = {}
    for index in sorted(candidates, key=lambda index: _moment(decisions[index])):
        expected = _moment(decisions[index]) * 1e9 + offset
        best = min(
            candidates[index],
            key=lambda seen: (seen.number in taken, abs(seen.nanoseconds - expected)),
        )
        taken.add(best.number)
        result[index] = best
    return result


def _clock_offset(
    decisions: Mapping[int, Mapping[str, Any]], candidates: Mapping[int, list[Seen]]
) -> float:
    """Nanoseconds from the engine's clock to the capture's.

    The engine's clock need not be the time of day; frames that were seen once only
    tell how far the two are apart.
    """
    once = {index: seen for index, seen in candidates.items() if len(seen) == 1}
    differences = [
        seen[0].nanoseconds - _moment(decisions[index]) * 1e9
        for index, seen in (once or candidates).items()
    ]
    return median(differences) if differences else 0.0


def _moment(decision: Mapping[str, Any]) -> float:
    return float(decision.get("time_of_day", decision["time"]))


def _injections(
    decisions: Mapping[int, Mapping[str, Any]],
    moments: Mapping[int, Seen],
    here: Sightings,
    across: Sightings,
) -> Iterable[tuple[int, str]]:
    """Frames of decided flows that left on this side without arriving on the other."""
    of_flow: dict[Flow, list[int]] = defaultdict(list)
    for index in sorted(moments, key=lambda index: moments[index].nanoseconds):
        of_flow[_flow_of(decisions[index])].append(index)
    for flow, indices in of_flow.items():
        arrived = Counter(
            seen.digest
            for seen in across.by_flow[flow]
            if seen.direction == pcapng.INBOUND
        )
        for seen in here.by_flow[flow]:
            if seen.direction != pcapng.OUTBOUND:
                continue
            if arrived[seen.digest]:
                arrived[seen.digest] -= 1
                continue
            before = [i for i in indices if moments[i].nanoseconds <= seen.nanoseconds]
            if not before:
                continue
            led = [i for i in before if decisions[i].get("action") == "redirect"]
            # Another server's answer: it did arrive, under that server's address.
            what = "answered elsewhere, led there" if led else "injected"
            decision = decisions[(led or before)[-1]]
            yield seen.number, f"{MARK}{what} by {_rule(decision)}"


def _decided_by(decision: Mapping[str, Any]) -> str:
    """The decision as a comment."""
    verdict, action = str(decision["verdict"]), decision.get("action")
    what = f"{verdict} ({action})" if action and action != verdict else verdict
    finding = ", ".join(
        f"{key} = {value}" for key, value in decision["finding"].items()
    )
    why = f", {finding}" if finding else ""
    after = ", because of an earlier match" if decision.get("residual") else ""
    return f"{MARK}{what} by {_rule(decision)}{why}{after}"


def _rule(decision: Mapping[str, Any]) -> str:
    return f'{decision["source"]} "{decision["rule"]}"'


def _flow_of(decision: Mapping[str, Any]) -> Flow:
    flow = decision["flow"]
    protocol = str(flow["protocol"])
    ends = (
        (ip_address(flow["client"]).packed, int(flow["client_port"])),
        (ip_address(flow["server"]).packed, int(flow["server_port"])),
    )
    number = _NUMBERS[protocol] if protocol in _NUMBERS else int(protocol)
    return number, frozenset(ends)


def _flow_in(data: bytes) -> Flow | None:
    packet: Packet | None = dissect(data)
    if packet is None:
        return None
    ends = ((packet.src, packet.src_port), (packet.dst, packet.dst_port))
    return packet.protocol, frozenset(ends)


def _rewrite(
    path: Path, comments: Mapping[int, Sequence[str]], here: Sightings
) -> None:
    """Puts the file in place anew, our old comments replaced by these."""
    part = path.with_name(path.name + ".part")
    with path.open("rb") as old, part.open("wb") as new:
        for number in sorted(here.marked.union(comments)):
            start, end = here.places[number]
            _copy(old, new, start)
            block = pcapng.read_block(old.read(end - start))
            new.write(_commented(block, comments.get(number, ())).encode())
        _copy(old, new, here.end)
    os.replace(part, path)


def _copy(old: BinaryIO, new: BinaryIO, end: int) -> None:
    """Copies from where `old` stands up to a place."""
    while (left := end - old.tell()) > 0:
        new.write(old.read(min(left, _COPIED_BYTES)))


def _commented(block: pcapng.Block, comments: Sequence[str]) -> pcapng.Block:
    packet = pcapng.decode_packet(block)
    kept = tuple(
        (code, value)
        for code, value in packet.options
        if not (code == pcapng.COMMENT and value.startswith(_MARK))
    )
    # An option's length has 16 bits (section 3.5); a finding may be longer.
    added = tuple((pcapng.COMMENT, text.encode()[:65_535]) for text in comments)
    changed = pcapng.Packet(
        packet.interface,
        packet.ticks,
        packet.data,
        packet.original_length,
        kept + added,
    )
    return pcapng.packet_block(changed, block.order)
