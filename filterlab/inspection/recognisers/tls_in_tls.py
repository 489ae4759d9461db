"""Recognises a TLS handshake inside TLS by sizes and times of its first bursts.

Trojan, VLESS, HTTPS proxies and the like carry a browser's handshake inside their own:
the inner ClientHello, ServerHello with certificate, Finished with request, and response
keep their sizes. After the outer handshake (each side's ChangeCipherSpec), packets that
go the same way, none of them three round trips or more after the one before, make a
burst, less 24 bytes a packet for the outer record. Four bursts that go to and fro and
begin with the client's are a handshake if their Mahalanobis distance from one of
three centroids (Firefox over TLS 1.2, over TLS 1.3, Chrome with a post-quantum key) is
below that centroid's threshold. What the server sends first (session tickets) is passed
over, retransmissions are not counted, and 25 packets are looked at.

Source: Xue et al., "Fingerprinting Obfuscated Proxy Traffic with Encapsulated TLS
Handshakes" (USENIX Security 2024), bursts by direction and time in section 6.2;
centroids, inverse covariances and thresholds are the figures of nDPI 6.0
(src/lib/protocols/tls.c, check_set), whose bursts go by direction alone. Assumed: the
outer ClientHello and the client's answer to the server's flight tell the round trip,
which the paper takes from the SYN and the client's first ACK; it comes out longer by
what the server needs to answer. Left out: the paper's two
coarse filters before it (section 8: fewer than 2.5 round trips in the first 15 packets
after the outer handshake, a first burst of less than 300 bytes), which spare work and
nothing else here, and its test of three packets each, which needs its training data.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, NamedTuple

from filterlab.inspection.flow import TCP
from filterlab.inspection.packet import Packet
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.stream import distance

_CHANGE_CIPHER_SPEC = b"\x14\x03\x03\x00\x01\x01"  # RFC 5246, 7.1; RFC 8446, 5
_RECORD_HEADER = 5
_OVERHEAD = 24  # bytes a packet, of the outer record (nDPI)
_PACKETS = 25  # nDPI looks at so many after the handshake
_BURSTS, _FIRST_BURST_PACKETS = 4, 3
_HANDSHAKE_PACKETS = 40  # no outer handshake has more
_ROUND_TRIPS = 3  # no burst goes on after so many (Xue et al., section 6.2)
_BROWSER_HELLO = 517  # with its padding (RFC 7685); TLS 1.3 alone asks for it


@dataclass(frozen=True, slots=True)
class _Model:
    """One kind of inner handshake: bytes of four bursts, and how they scatter."""

    name: str
    threshold: float
    first_least: int
    centroid: tuple[float, ...]
    inverse: tuple[tuple[float, ...], ...]  # of the covariance; symmetric


_MODELS = (
    _Model(
        "tls 1.2",
        3.5,
        0,
        (212.8837, 4514.712, 107.7708, 307.5802),
        (
            (2.924211e-4, 4.436776e-7, -5.699661e-5, -2.181247e-6),
            (4.436776e-7, 5.989550e-7, -3.597984e-7, 5.716382e-7),
            (-5.699661e-5, -3.597984e-7, 7.689379e-4, 2.222785e-5),
            (-2.181247e-6, 5.716382e-7, 2.222785e-5, 5.727701e-5),
        ),
    ),
    _Model(
        "tls 1.3",
        3.0,
        _BROWSER_HELLO,
        (640.6574, 4649.303, 448.4083, 1094.201),
        (
            (3.080303e-5, 1.161792e-7, 1.053567e-7, 3.886288e-8),
            (1.161792e-7, 6.931791e-7, 2.774132e-8, -3.637232e-9),
            (1.053567e-7, 2.774132e-8, 1.026095e-6, -1.087698e-8),
            (3.886288e-8, -3.637232e-9, -1.087698e-8, 8.633078e-8),
        ),
    ),
    _Model(
        "chrome",
        3.0,
        0,
        (1850.430, 4903.077, 785.2528, 1051.223),
        (
            (6.723744e-6, -2.321096e-8, 6.671400e-8, 1.252632e-8),
            (-2.321096e-8, 5.646689e-7, 4.589636e-8, 6.412547e-9),
            (6.671400e-8, 4.589636e-8, 6.040578e-7, -9.150743e-10),
            (1.252632e-8, 6.412547e-9, -9.150743e-10, 1.011848e-7),
        ),
    ),
)


def nearest(bursts: tuple[int, ...]) -> tuple[str, float] | None:
    """The model that four bursts match, and their distance; None if none does."""
    for model in _MODELS:
        if bursts[0] < model.first_least:
            continue
        off = [size - mean for size, mean in zip(bursts, model.centroid, strict=True)]
        square = sum(
            off[i] * off[j] * model.inverse[i][j]
            for i in range(_BURSTS)
            for j in range(_BURSTS)
        )
        far = sqrt(max(0.0, square))
        if far < model.threshold:
            return model.name, far
    return None


class _Burst(NamedTuple):
    from_client: bool
    size: int
    packets: int
    began: float | None  # None where no times are known


class TlsInTls:
    """Finds four bursts of a handshake after the outer one."""

    name: ClassVar[str] = "tls_in_tls"
    protocols: ClassVar[frozenset[str]] = frozenset(("tls-in-tls",))
    transports: ClassVar[frozenset[int]] = frozenset((TCP,))
    byte_limit: ClassVar[int] = (_PACKETS + _HANDSHAKE_PACKETS) * 65_535
    each_message: ClassVar[bool] = False
    patient: ClassVar[bool] = True
    source: ClassVar[str] = "Xue et al., USENIX Security 2024; nDPI 6.0, tls.c"
    false_positives: ClassVar[str] = (
        "a plain HTTPS exchange whose first request and answers happen to have these "
        "sizes (uploads, long-lived connections), and the cells of Tor; misses "
        "multiplexed and shaped tunnels, a handshake that stalls for three round "
        "trips, and inner traffic that is not TLS"
    )

    __slots__ = (
        "_asked",
        "_bursts",
        "_changed",
        "_ends",
        "_last",
        "_packets",
        "_started",
        "_trip",
    )

    def __init__(self, transport: int, reading: Reading) -> None:
        self._changed: set[bool] = set()  # who (the client?) changed the cipher
        self._ends: dict[bool, int] = {}  # the end of what each side has sent
        self._bursts: list[_Burst] = []
        self._asked: float | None = None  # when the client last spoke before the server
        self._trip: float | None = None  # seconds to the server and back
        self._last: float | None = None  # when the packet before came
        self._packets = 0
        self._started = False

    def observe(
        self, packet: Packet, from_client: bool, now: float
    ) -> Finding | Answer:
        """Take the next packet."""
        size = packet.end - packet.start
        if not size:
            return NEED_DATA
        if self._is_again(from_client, packet.next_seq):
            return NEED_DATA
        return self._take(from_client, packet.payload, now)

    @property
    def by_size(self) -> bool:
        """Whether both sides have changed their cipher: there is no more to read."""
        return len(self._changed) == 2

    def sized(
        self, from_client: bool, size: int, end: int, now: float
    ) -> Finding | Answer:
        """Take the next packet."""
        if self._is_again(from_client, end):
            return NEED_DATA
        self._packets += 1
        return self._encrypted(from_client, size, now)

    def _is_again(self, from_client: bool, end: int) -> bool:
        """Whether a packet is sent again."""
        known = self._ends.get(from_client)
        if known is not None and distance(known, end) <= 0:
            return True
        self._ends[from_client] = end
        return False

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the payload of one packet, at a time that is not known."""
        if not data:
            return NEED_DATA
        return self._take(direction is Direction.TO_SERVER, data, None)

    def conclude(self) -> Finding | Answer:
        """The last burst has ended too."""
        return self._match() or NOT_MINE

    def _take(
        self, from_client: bool, payload: bytes, now: float | None
    ) -> Finding | Answer:
        if not self._started:
            if not from_client or payload[:2] != b"\x16\x03":
                return NOT_MINE
            self._started = True
            self._asked = now
            return NEED_DATA
        self._packets += 1
        self._time_trip(from_client, now)
        size = len(payload)
        if from_client not in self._changed:
            size = self._change(from_client, payload)
        return self._encrypted(from_client, size, now)

    def _time_trip(self, from_client: bool, now: float | None) -> None:
        """From the client's last word before the server's first to its next one."""
        if self._trip is not None or self._asked is None or now is None:
            return
        if not from_client:
            self._last = now
        elif self._last is None:
            self._asked = now
        else:
            self._trip = now - self._asked

    def _encrypted(
        self, from_client: bool, size: int, now: float | None
    ) -> Finding | Answer:
        """So many bytes of what is inside, if the handshake is over."""
        if size <= _OVERHEAD or len(self._changed) < 2:
            limit = _HANDSHAKE_PACKETS
            return NOT_MINE if self._packets > limit and not self._bursts else NEED_DATA
        if not self._bursts and not from_client:
            return NEED_DATA  # session tickets
        return self._count(from_client, size - _OVERHEAD, now)

    def _change(self, from_client: bool, payload: bytes) -> int:
        """Look for the ChangeCipherSpec; how much follows it and the Finished."""
        at = payload.find(_CHANGE_CIPHER_SPEC)
        if at < 0:
            return 0
        self._changed.add(from_client)
        if not from_client:
            return 0  # more of its handshake
        at += len(_CHANGE_CIPHER_SPEC)
        finished = _RECORD_HEADER + int.from_bytes(payload[at + 3 : at + 5], "big")
        return max(0, len(payload) - at - finished)

    def _count(
        self, from_client: bool, size: int, now: float | None
    ) -> Finding | Answer:
        bursts = self._bursts
        goes_on = bursts and bursts[-1].from_client is from_client
        if goes_on and not self._is_late(now):
            _, total, packets, began = bursts[-1]
            bursts[-1] = _Burst(from_client, total + size, packets + 1, began)
        else:
            if (found := self._match()) is not None:
                return found
            bursts.append(_Burst(from_client, size, 1, now))
        self._last = now
        seen = sum(burst.packets for burst in bursts)
        return self.conclude() if seen >= _PACKETS else NEED_DATA

    def _is_late(self, now: float | None) -> bool:
        """Whether a packet comes too long after the one before to go on with it."""
        if now is None or self._last is None or not self._trip:
            return False  # nor where times are too coarse to have seen a round trip
        return now - self._last >= _ROUND_TRIPS * self._trip

    def _match(self) -> Finding | None:
        """The last four bursts, if they go to and fro and begin with the client's."""
        last = self._bursts[-_BURSTS:]
        if [burst.from_client for burst in last] != [True, False, True, False]:
            return None
        if last[0].packets > _FIRST_BURST_PACKETS:
            return None
        near = nearest(tuple(burst.size for burst in last))
        if near is None:
            return None
        model, far = near
        fields = {
            "tls_in_tls.model": (model,),
            "tls_in_tls.distance": (str(round(far * 100)),),
        }
        began, ended = last[0].began, last[-1].began
        if began is not None and ended is not None:
            fields["tls_in_tls.ms"] = (str(round(1000 * (ended - began))),)
        return Finding("tls-in-tls", fields)
