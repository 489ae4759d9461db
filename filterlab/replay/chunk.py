"""Lists the rows of a batch that may have to be given, with what was read of each.

Whatever is asked of many rows is asked by columns: their checksums, and which row of
the same flow comes next.
"""

from __future__ import annotations

from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from filterlab.captures.index import Index
from filterlab.replay.headers import Headers, Numbers
from filterlab.replay.sums import sums_right


class One(NamedTuple):
    """One row that may have to be given, with what has been read of it."""

    row: int
    number: int  # of its flow, or -1
    needs: int
    before: int  # the row of its flow's previous frame, or -1
    after: int  # where in the list its flow goes on, or -1
    onward: bool
    start: int
    length: int
    flags: int
    places: list[int]
    right: bool | None


def listed(
    index: Index,
    low: int,
    headers: Headers,
    rows: Numbers,
    needs: NDArray[np.uint8],
    asks_sums: bool,
) -> list[One]:
    """These rows of a batch that begins at `low`."""
    flow = headers.flow[rows]
    start = index.start[low + rows]
    right = _right(index, headers, rows, start) if asks_sums else None
    columns = (
        rows,
        flow,
        needs[rows],
        headers.before[rows],
        _after(flow),
        headers.onward[rows],
        start,
        index.length[low + rows],
        headers.flags[rows],
        headers.places[rows],
    )
    said = repeat(None) if right is None else right
    # As `One._make` does it, without a call of Python's for every row.
    each = zip(*(column.tolist() for column in columns), said, strict=False)
    return list(map(tuple.__new__, repeat(One), each))


def _after(flow: Numbers) -> Numbers:
    """Where the flow of each goes on, unless one of no known flow comes before."""
    count = len(flow)
    after = np.full(count, -1, np.int64)
    order = np.argsort(flow, kind="stable")
    ordered = flow[order]
    same = (ordered[1:] == ordered[:-1]) & (ordered[1:] >= 0)
    after[order[:-1][same]] = order[1:][same]
    strange = np.flatnonzero(flow < 0)
    if len(strange):
        until = np.append(strange, count)
        after[after > until[np.searchsorted(strange, np.arange(count))]] = -1
    return after


def _right(
    index: Index, headers: Headers, rows: Numbers, start: Numbers
) -> list[bool | None] | None:
    """Whether their checksums are right; None where that has not been looked at."""
    plain = np.flatnonzero(headers.flow[rows] >= 0)
    if not len(plain):
        return None
    chosen, start = rows[plain], start[plain]
    network, transport, _, end = headers.places[chosen, :4].T + start
    found = sums_right(
        index.data,
        network,
        transport,
        end,
        headers.places[chosen, 7] != 0,
        headers.protocol[chosen],
        headers.six[chosen],
        headers.addresses[:, chosen],
    )
    if found is None:
        return None
    right: list[bool | None] = [None] * len(rows)
    for number, said in zip(plain.tolist(), found.tolist(), strict=True):
        right[number] = said
    return right
