"""DTLS ClientHellos: whole, in fragments, and in datagrams."""

from __future__ import annotations

import pytest

from filterlab.inspection.fields import FIELDS
from filterlab.inspection.flow import UDP
from filterlab.inspection.recogniser import NEED_DATA, NOT_MINE, Direction, Finding
from filterlab.inspection.recognisers.dtls import Dtls
from tests.inspection.feeding import fed
from tests.inspection.wire import extension, server_name, sized

_VERSIONS = extension(43, sized(1, b"\xfe\xfc\xfe\xfd"))


def _body(*extensions: bytes, cookie: bytes = b"") -> bytes:
    fixed = b"\xfe\xfd" + bytes(32) + sized(1, b"") + sized(1, cookie)
    offer = sized(2, b"\xc0\x2b\xc0\x2f") + sized(1, b"\0")
    return fixed + offer + sized(2, b"".join(extensions))


def _record(content: bytes, version: bytes = b"\xfe\xff", epoch: int = 0) -> bytes:
    return b"\x16" + version + epoch.to_bytes(2, "big") + bytes(6) + sized(2, content)


def _fragment(body: bytes, start: int = 0, end: int | None = None) -> bytes:
    part = body[start:end]
    header = b"\1" + len(body).to_bytes(3, "big") + b"\0\0"
    return header + start.to_bytes(3, "big") + len(part).to_bytes(3, "big") + part


_BODY = _body(server_name(b"Blocked.Example"), _VERSIONS)


def test_reads_a_datagram() -> None:
    said = fed(Dtls, [_record(_fragment(_BODY))], UDP)
    assert isinstance(said, Finding) and said.protocol == "dtls"
    assert said.fields["dtls.sni"] == ("blocked.example",)
    assert said.fields["dtls.version"] == ("1.3",)
    assert said.fields["dtls.handshake.ja4"][0].startswith("dd3d020200_")
    assert said.fields["dtls.handshake.ja3_full"] == ("65277,49195-49199,0-43,,",)
    assert set(said.fields) <= set(FIELDS)
    assert fed(Dtls, [_record(_fragment(_body(cookie=b"c" * 20)))], UDP) != NOT_MINE


@pytest.mark.parametrize("size", [1, 10, 40])
def test_joins_fragments_in_any_order(size: int) -> None:
    whole = fed(Dtls, [_record(_fragment(_BODY))], UDP)
    cuts = range(0, len(_BODY), size)
    fragments = [_fragment(_BODY, at, at + size) for at in cuts]
    datagrams = [_record(fragment) for fragment in fragments]
    assert fed(Dtls, datagrams, UDP) == whole
    assert fed(Dtls, datagrams[::-1], UDP) == whole
    assert fed(Dtls, [b"".join(datagrams)], UDP) == whole  # records of one datagram
    assert fed(Dtls, [_record(b"".join(fragments))], UDP) == whole
    assert fed(Dtls, datagrams[:-1], UDP) is NEED_DATA


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x16\x03\x01",
        _record(_fragment(_BODY))[:-1],
        _record(_fragment(_BODY), version=b"\x01\x00"),
        _record(_fragment(_BODY), epoch=1),
        _record(b"\2" + _fragment(_BODY)[1:]),
        _record(_fragment(_BODY[:40])),
        _record(b"\1\0\0\x05\0\0\0\0\4\0\0\2ab"),
    ],
)
def test_other_datagrams_are_not_its_own(data: bytes) -> None:
    assert fed(Dtls, [data], UDP) is NOT_MINE


def test_a_server_that_speaks_first_is_none() -> None:
    data = _record(_fragment(_BODY))
    assert fed(Dtls, [data], UDP, direction=Direction.TO_CLIENT) is NOT_MINE


def test_gives_up_at_its_limit() -> None:
    half = _record(_fragment(_BODY, 0, 9))
    assert fed(Dtls, [half] * 1000, UDP) is NOT_MINE
