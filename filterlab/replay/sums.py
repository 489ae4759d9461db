"""Adds up the checksums of many packets at once.

The sums are those of `filterlab.inspection.checksum`: modulo 0xFFFF, where 2**16 is 1,
so that a number of 32 or 64 bits counts as its words, and swapping the bytes of every
word multiplies a sum by 256 (RFC 1071, 2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from filterlab.inspection.flow import TCP, UDP

Numbers = NDArray[np.int64]
Truths = NDArray[np.bool_]

_ONES = 0xFFFF
_WORD = 4  # bytes that are added at a time
_UDP_CHECKSUM_AT = 6  # RFC 768
# What lies between the packets is read as well; more than this is not worth it.
_SPREAD_MOST = 3


def sums_right(
    data: NDArray[np.uint8],
    network: Numbers,
    transport: Numbers,
    end: Numbers,
    cut: Truths,
    protocol: Numbers,
    six: Truths,
    addresses: NDArray[np.uint64],
) -> Truths | None:
    """Whether each packet arrived as it was sent; None if that is not worth a look.

    Packets lie in `data` in the order of their places; `addresses` has a column for
    each, of words. A cut packet cannot be judged, and counts as right.
    """
    size = int((end - network).sum())
    if not size or (np.diff(network) < 0).any():  # captures that were put together
        return None
    if int(end[-1] - network[0]) > _SPREAD_MOST * size:
        return None
    right = np.ones(len(end), np.bool_)
    four = np.flatnonzero(~six)
    right[four] = _sums(data, network[four], transport[four]) % _ONES == 0
    judged = np.flatnonzero(~cut & ((protocol == TCP) | (protocol == UDP)))
    if not len(judged):
        return right
    start, stop, kind = transport[judged], end[judged], protocol[judged]
    total = _sums(data, start, stop) * 256
    total += (addresses[:, judged] % np.uint64(_ONES)).sum(axis=0).astype(np.int64)
    total += kind + stop - start
    sound = total % _ONES == 0
    at = np.where(kind == UDP, start + _UDP_CHECKSUM_AT, start)
    unused = (kind == UDP) & (data[at] == 0) & (data[at + 1] == 0)
    right[judged] &= np.where(unused, ~six[judged], sound)
    return right


def _sums(data: NDArray[np.uint8], start: Numbers, end: Numbers) -> Numbers:
    """The sums of 16-bit words, read with the low byte first; none may be empty."""
    # Words as they lie in the file are added in one pass over all packets, and what
    # stands before the first and after the last of each by itself.
    low, high = start + _WORD - 1 & -_WORD, end & -_WORD
    total = np.zeros(len(start), np.int64)
    which = np.flatnonzero(high > low)
    if len(which):
        begin, stop = low[which] // _WORD, high[which] // _WORD
        words = data[begin[0] * _WORD : stop[-1] * _WORD].view("<u4")
        bounds = (np.stack([begin, stop], axis=1) - begin[0]).ravel()[:-1]
        total[which] = np.add.reduceat(words, bounds, dtype=np.int64)[::2]
    for first, last in ((start, np.minimum(low, end)), (np.maximum(low, high), end)):
        for number in range(_WORD - 1):
            lone = np.flatnonzero(first + number < last)
            at = first[lone] + number
            total[lone] += data[at].astype(np.int64) << 8 * (at & 1)
    # Of a packet that begins in the middle of a word, low bytes were taken for high.
    return np.where(start & 1, total % _ONES * 256, total)
