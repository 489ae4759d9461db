"""Chooses the frames of captures that an engine is to be given, and their sides.

A capture that the lab made itself holds both directions of one side of an exchange:
what came in there came from that side, what went out came from across, unless the
exchange made it (the capture's comments say so). Given the captures of both sides,
only what came in counts. In any other capture the client of a flow is inside, or
whoever is of the networks given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import numpy as np
from numpy.typing import NDArray

from filterlab.captures import pcapng
from filterlab.captures.annotate import SIDES
from filterlab.captures.index import Index
from filterlab.policy.effects import Side

Network = IPv4Network | IPv6Network
Numbers = NDArray[np.int64]

_NAMES = (None, Side.INSIDE, Side.OUTSIDE)


@dataclass(frozen=True, slots=True)
class Feed:
    """Frames in the order of their time, with the capture and number of each."""

    index: Index
    sides: Numbers  # 1 inside, 2 outside, 0 where the flow must tell
    numbers: Numbers  # in the capture, from 1
    captures: Numbers  # which capture
    seconds: NDArray[np.float64]  # an engine's clock, which never goes back

    def side(self, row: int) -> Side | None:
        """Where a frame came from, if the capture says."""
        return _NAMES[self.sides[row]]


def feed_of(indexes: Sequence[Index], rate: float = 1.0) -> Feed:
    """The frames of one or several captures; `rate` is of the scenario's clock."""
    alone = len(indexes) == 1
    chosen = [_chosen(index, alone) for index in indexes]
    # Captures are put one behind the other, as if they were one file.
    offsets = np.cumsum([0, *(len(index.data) for index in indexes)])
    data = indexes[0].data
    if not alone:
        data = np.concatenate([index.data for index in indexes])
    times = np.concatenate(
        [i.nanoseconds[rows] for i, (rows, _) in zip(indexes, chosen, strict=True)]
    )
    order = np.argsort(times, kind="stable") if not alone else np.arange(len(times))

    def column(parts: Sequence[Numbers]) -> Numbers:
        return np.concatenate(parts)[order]

    numbered = list(zip(indexes, chosen, offsets[:-1], strict=True))
    index = Index(
        data,
        start=column([i.start[rows] + offset for i, (rows, _), offset in numbered]),
        length=column([i.length[rows] for i, (rows, _), _ in numbered]),
        nanoseconds=times[order],
        link_type=column([i.link_type[rows] for i, (rows, _), _ in numbered]),
        interface=column([i.interface[rows] for i, (rows, _), _ in numbered]),
        direction=column([i.direction[rows] for i, (rows, _), _ in numbered]),
        injected=np.zeros(len(times), np.bool_),
    )
    return Feed(
        index,
        column([side for _, side in chosen]),
        column([rows + 1 for rows, _ in chosen]),
        column([np.full(len(rows), n) for n, (rows, _) in enumerate(chosen)]),
        np.maximum.accumulate(index.nanoseconds) / 1e9 * rate,
    )


def _chosen(index: Index, alone: bool) -> tuple[Numbers, Numbers]:
    """The frames that came to the exchange, and the side of each."""
    at = np.array([_side_at(text) for text in index.descriptions] or [0], np.int64)
    here = at[index.interface]
    goes_out = (index.direction == pcapng.OUTBOUND) & (here > 0)
    side = np.where(goes_out, 3 - here, here)
    side[index.direction == 0] = 0
    comes = ~index.injected if alone else ~index.injected & ~goes_out
    rows = np.flatnonzero(comes)
    return rows, side[rows]


def _side_at(description: str) -> int:
    _, dash, side = description.rpartition("-")
    if not dash or side not in SIDES:
        return 0
    return 1 if side == Side.INSIDE else 2


def inside_of(address: bytes, networks: Sequence[Network]) -> bool:
    """Whether an address is of the networks inside."""
    version = 4 if len(address) == 4 else 6
    number = int.from_bytes(address, "big")
    return any(
        network.version == version
        and number & int(network.netmask) == int(network.network_address)
        for network in networks
    )
