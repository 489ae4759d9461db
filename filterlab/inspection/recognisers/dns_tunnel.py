"""Recognises data carried in DNS queries: iodine, dns2tcp and what works like them.

A flow is a tunnel if ten or more of its queries are for one zone (the last two labels),
nine in ten of the names are new, and they carry much: either the part before the zone
is 30 bytes or more on average with 3 bits or more a character, or most queries are of
types that hardly anybody but a tunnel asks for (NULL, PRIVATE). iodine's raw mode,
which follows its handshake on the same port, has a magic of its own.

Source: Farnham, "Detecting DNS Tunneling" (SANS Institute, 2013), sections 4 and 5
(length, entropy, unusual types, unique names of a zone); Born and Gustafson, "Detecting
DNS Tunnels Using Character Frequency Analysis" (2010); iodine 0.7, src/common.h
(raw_header) and src/client.c (types NULL, PRIVATE, TXT, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from filterlab.inspection.flow import UDP
from filterlab.inspection.opening import Opening
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.recognisers.dns import ASKS, read_query
from filterlab.inspection.statistics import entropy

_RAW_MAGIC = b"\x10\xd1\x9e"  # iodine, src/common.h: raw_header
_RAW_LEAST = 20  # header and the MD5 of a login
_QUERIES, _MOST_QUERIES = 10, 32
_NEW_IN_TEN = 9
_LONG, _DENSE = 30, 3.0  # bytes before the zone; bits a character
_TUNNEL_TYPES = frozenset(("TYPE10", "TYPE65399", "NULL"))  # NULL, PRIVATE


class DnsTunnel:
    """Counts what one flow asks of each zone."""

    name: ClassVar[str] = "dns_tunnel"
    protocols: ClassVar[frozenset[str]] = frozenset(("dns-tunnel",))
    transports: ClassVar[frozenset[int]] = frozenset((UDP,))
    byte_limit: ClassVar[int] = _MOST_QUERIES * 512  # RFC 1035, 2.3.4
    each_message: ClassVar[bool] = False  # it remembers the messages before
    opening: ClassVar[Mapping[int, Opening]] = {UDP: Opening(ASKS)}
    source: ClassVar[str] = "Farnham, SANS 2013, sections 4-5; iodine 0.7, common.h"
    false_positives: ClassVar[str] = (
        "a resolver behind one port that asks a block list or an anti-virus service "
        "for long names of one zone; misses tunnels that take a new port for each query"
    )

    __slots__ = ("_queries", "_zones")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._queries = 0
        self._zones: dict[str, _Zone] = {}

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take one datagram."""
        if direction is Direction.TO_CLIENT:
            return NEED_DATA if self._queries else NOT_MINE
        said = read_query(data)
        if not isinstance(said, Finding):
            return self._raw(data)
        self._queries += 1
        name = said.fields["dns.qry.name"][0]
        labels = name.split(".")
        zone_name = ".".join(labels[-2:])
        zone = self._zones.setdefault(zone_name, _Zone())
        zone.add(".".join(labels[:-2]), said.fields["dns.qry.type"][0])
        if zone.is_tunnel():
            fields = {
                "dns.tunnel.zone": (zone_name,),
                "dns.tunnel.names": (str(len(zone.names)),),
            }
            return Finding("dns-tunnel", fields)
        return NEED_DATA if self._queries < _MOST_QUERIES else NOT_MINE

    def conclude(self) -> Finding | Answer:
        """Too few queries to tell."""
        return NOT_MINE

    def _raw(self, data: bytes) -> Finding | Answer:
        if self._queries and data.startswith(_RAW_MAGIC) and len(data) >= _RAW_LEAST:
            (zone,) = list(self._zones)[-1:]
            return Finding("dns-tunnel", {"dns.tunnel.zone": (zone,)})
        return NOT_MINE


class _Zone:
    """The queries of one flow for names of one zone."""

    __slots__ = ("_unweighed", "asked", "bits", "length", "names", "odd")

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.asked = self.length = self.odd = 0
        self.bits = 0.0
        self._unweighed: list[bytes] = []  # most flows never ask enough to be weighed

    def add(self, prefix: str, kind: str) -> None:
        """One query: what stands before the zone, and the type asked for."""
        raw = prefix.encode("latin-1", "replace")
        self.names.add(prefix)
        self.asked += 1
        self.length += len(raw)
        self._unweighed.append(raw)
        self.odd += kind in _TUNNEL_TYPES

    def is_tunnel(self) -> bool:
        """Whether so many new names carry so much."""
        if self.asked < _QUERIES or len(self.names) * 10 < self.asked * _NEW_IN_TEN:
            return False
        self.bits += sum(map(entropy, self._unweighed))
        self._unweighed.clear()
        is_dense = (
            self.bits >= _DENSE * self.asked and self.length >= _LONG * self.asked
        )
        return is_dense or self.odd * 2 > self.asked
