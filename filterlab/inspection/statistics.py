"""Says how random bytes look: set bits, printable bytes, entropy, distance from chance.

Source: Wu et al., "How the Great Firewall of China Detects and Blocks Fully Encrypted
Traffic" (USENIX Security 2023), section 4, for set bits and printable bytes; Wang et
al., "Seeing through Network-Protocol Obfuscation" (CCS 2015), section 5.1, for the
Kolmogorov-Smirnov test of bytes against chance.
"""

from __future__ import annotations

import re
from math import log2, sqrt

import numpy as np

_PRINTABLE = bytes(range(0x20, 0x7F))  # Wu et al., Algorithm 1: [0x20, 0x7e]
_MARKED = bytes(ord("x") if 0x20 <= b < 0x7F else 0 for b in range(256))
_RUN = re.compile(rb"[\x20-\x7e]+")
_BYTE_VALUES = 256
# The one-sample Kolmogorov-Smirnov test refuses 1 random sample in 1,000 here:
# sqrt(-ln(0.001 / 2) / 2).
_DOUBT = 1.95
# n log2(n), worked out once, for as many bytes as an Ethernet frame carries
_BITS = np.array((0.0, *(n * log2(n) for n in range(1, 1501))))


def set_bits(data: bytes) -> int:
    """How many bits are one."""
    return int.from_bytes(data, "big").bit_count()


def printable_bytes(data: bytes) -> int:
    """How many bytes are printable ASCII, the space among them."""
    return len(data) - len(data.translate(None, _PRINTABLE))


def longest_printable_run(data: bytes) -> int:
    """The length of the longest run of printable ASCII."""
    return max(map(len, _RUN.findall(data)), default=0)


def has_printable_run(data: bytes, longer_than: int) -> bool:
    """Whether there is a run of printable ASCII of more bytes than that."""
    return b"x" * (longer_than + 1) in data.translate(_MARKED)


def entropy(data: bytes) -> float:
    """Shannon entropy of the bytes' distribution, in bits a byte (0 to 8).

    Of n random bytes it is nearly log2(n) while n is small, and 8 only for many.
    """
    if not data:
        return 0.0
    size = len(data)
    counts = np.bincount(np.frombuffer(data, np.uint8))
    if size < len(_BITS):
        return log2(size) - float(np.add.reduce(_BITS[counts])) / size
    listed: list[int] = counts.tolist()
    return log2(size) - sum(n * log2(n) for n in listed if n) / size


def distance_from_chance(data: bytes) -> float:
    """The Kolmogorov-Smirnov distance of the bytes from the uniform distribution."""
    size = len(data)
    seen, most = 0, 0.0
    for value in range(_BYTE_VALUES):
        seen += data.count(value)
        most = max(most, abs(seen / size - (value + 1) / _BYTE_VALUES))
    return most


def looks_random(data: bytes) -> bool:
    """Whether chance may have made the bytes (of random ones, all but 1 in 1,000)."""
    return bool(data) and distance_from_chance(data) * sqrt(len(data)) <= _DOUBT
