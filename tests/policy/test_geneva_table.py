"""Geneva's client strategies against the censors of China's and India's HTTP.

Source: strategies.md of the Geneva repository (Bock et al., CCS 2019, Table 1): how
often each got through, in percent. What arrives nowhere (a wrong checksum, a small TTL,
a wrong acknowledgement) is built as the censor sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest

from filterlab.policy.engine import Engine
from tests.inspection.wire import Talk, request
from tests.policy.boxes import OUT
from tests.policy.censors import acts_on, policy_of, up

CHINA, INDIA = "cn-http-keyword", "in-airtel-http"
PAGES = {
    CHINA: request(path="/?q=ultrasurf"),
    INDIA: b"GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n",
}
TRIES = {CHINA: 100, INDIA: 1}  # nothing is drawn by lot in India

Frames = Callable[[Talk, bytes], list[bytes]]


def _ack(talk: Talk) -> bytes:
    return talk.tcp(b"", "A", talk.seq, talk.ack)


def _decoy(
    data: bytes | None = None, flags: str = "PA", wrong_ack: int = 0, **more: object
) -> Frames:
    """A packet before the request, and then the request."""

    def frames(talk: Talk, page: bytes) -> list[bytes]:
        ack = talk.ack + wrong_ack
        content = page if data is None else data
        first = talk.tcp(content, flags, talk.seq, ack, **more)  # type: ignore[arg-type]
        return [_ack(talk), first, talk.send(page)]

    return frames


def _cut(flags: str, ip_length: int) -> Frames:
    """The request with a smaller length in its IP header, and then itself.

    Published are lengths with twelve bytes of TCP options, which are not here.
    """

    def frames(talk: Talk, page: bytes) -> list[bytes]:
        cut = bytearray(talk.tcp(page, flags, talk.seq, talk.ack))
        cut[16:18] = ip_length.to_bytes(2, "big")
        return [_ack(talk), bytes(cut), talk.send(page)]

    return frames


def _pieces(*ends: int, last_first: bool = False, wrong_ack: bool = False) -> Frames:
    """The request in segments that end at these bytes."""

    def frames(talk: Talk, page: bytes) -> list[bytes]:
        edges = [0, *ends, len(page)]
        seq = talk.seq
        sent = [
            talk.tcp(page[low:high], "PA", seq + low, talk.ack)
            for low, high in pairwise(edges)
        ]
        first = talk.tcp(b"", "A", seq + 9999 * wrong_ack, talk.ack)
        return [first, *(sent[::-1] if last_first else sent)]

    return frames


def _also_syn(flags: str, data: bytes = b"", before: bool = False) -> Frames:
    """Something else beside the SYN."""

    def frames(talk: Talk, page: bytes) -> list[bytes]:
        other, syn = talk.tcp(data, flags, talk.seq - 1, 0), talk.syn()
        return [
            *((other, syn) if before else (syn, other)),
            _ack(talk),
            talk.send(page),
        ]

    return frames


def _uto(talk: Talk, page: bytes) -> list[bytes]:
    more = {"options": [(28, b"\x12\x34")]}  # RFC 5482
    return [_ack(talk), talk.tcp(page, "PA", talk.seq, talk.ack, **more)]  # type: ignore[arg-type]


JUNK = Random(8).randbytes(80)
MD5 = {"options": [(19, bytes(16))]}  # RFC 2385
SCALED = {"options": [("WScale", 7), ("NOP", None)], "dataofs": 8}

ROWS: list[tuple[str, Frames, int, int]] = [
    ("offset 10, checksum", _decoy(dataofs=10, chksum=1), 98, 0),
    ("offset 10, TTL", _decoy(dataofs=10), 98, 0),
    ("offset 10, ack", _decoy(dataofs=10, wrong_ack=70_000), 94, 0),
    ("offset 8, window scale", _decoy(**SCALED), 98, 0),
    ("other load, checksum", _decoy(JUNK, chksum=1), 80, 0),
    ("other load, TTL", _decoy(JUNK), 98, 0),
    ("other load, ack", _decoy(JUNK, wrong_ack=70_000), 87, 0),
    ("load in a second SYN", _also_syn("S", JUNK), 3, 0),
    ("IP length 64", _cut("PA", 52), 3, 100),
    ("RST, checksum", _decoy(b"", "R", chksum=1), 95, 0),
    ("RST, TTL", _decoy(b"", "R"), 87, 0),
    ("RST, MD5", _decoy(b"", "R", **MD5), 86, 0),
    ("RST+ACK, checksum", _decoy(b"", "RA", chksum=1), 80, 0),
    ("RST+ACK, TTL", _decoy(b"", "RA"), 94, 0),
    ("RST, MD5, again", _decoy(b"", "R", **MD5), 94, 0),
    ("FRAPUEN, checksum", _decoy(b"", "FRAPUE", chksum=1), 89, 0),
    ("FREACN, TTL", _decoy(b"", "FREAC"), 96, 0),
    ("FRAPUN, MD5", _decoy(b"", "FRAPU", **MD5), 94, 0),
    ("8 bytes, last first", _pieces(8, last_first=True, wrong_ack=True), 94, 100),
    ("8 and 4 bytes", _pieces(8, 12), 98, 100),
    ("two halves", _pieces(20), 3, 100),
    ("FIN, IP length 78", _cut("F", 66), 53, 100),
    ("SYN+ACK before the SYN", _also_syn("SA", before=True), 3, 0),
    ("user timeout", _uto, 3, 100),
]


def _share(name: str, frames: Frames) -> float:
    """How many percent of the tries get through."""
    chance, passed = Random(2019), 0
    for _ in range(TRIES[name]):
        engine, talk = Engine(policy_of(name), chance.random), Talk(server_port=80)
        plain, sent = talk.syn(), frames(talk, PAGES[name])
        at = sent.index(plain) + 1 if plain in sent else 0
        said = up(engine, sent[:at] or [plain], 0.0)
        said += engine.receive(talk.syn_ack(), 0.0, OUT)
        said += up(engine, sent[at:])
        passed += not acts_on(said)
    return passed * 100 / TRIES[name]


# Why some decoys got through less often than others is not published; the box here
# believes each of them.
BELIEVED = {"other load, checksum", "other load, ack"}


@pytest.mark.parametrize(("row", "frames", "china", "india"), ROWS)
def test_the_table(row: str, frames: Frames, china: int, india: int) -> None:
    assert _share(INDIA, frames) == india
    through = _share(CHINA, frames)
    assert abs(through - china) <= 10 or (row in BELIEVED and through == 100)
