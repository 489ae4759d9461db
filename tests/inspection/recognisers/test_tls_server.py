"""The server's side of TLS handshakes, by OpenSSL and by hand."""

from __future__ import annotations

import ssl

import pytest

from filterlab.inspection.fields import FIELDS
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Direction,
    Finding,
    Reading,
)
from filterlab.inspection.recognisers.tls_server import TlsServer
from tests.inspection.feeding import every_way, talked
from tests.inspection.flows import NAME, NAMES, tls_handshake
from tests.inspection.wire import extension, hello, record, sized

UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
_ALONE = Reading(joins_records=False)


def _hello(*extensions: bytes, cipher: bytes = b"\x13\x01") -> bytes:
    body = b"\3\3" + bytes(32) + sized(1, b"") + cipher + b"\0"
    body += sized(2, b"".join(extensions)) if extensions else b""
    return b"\2" + sized(3, body)


def test_reads_the_names_of_tls_1_2_however_they_are_cut() -> None:
    client, server = tls_handshake(ssl.TLSVersion.TLSv1_2)
    for pieces in every_way(server):
        said = talked(TlsServer, (UP, client), *((DOWN, piece) for piece in pieces))
        assert isinstance(said, Finding) and said.protocol == "tls"
        assert said.fields["tls.server.version"] == ("1.2",)
        assert said.fields["tls.certificate.cn"] == (NAME,)
        assert said.fields["tls.certificate.san"] == NAMES
        assert said.fields["tls.server.ciphersuite"][0].startswith("0xc0")
        assert set(said.fields) <= set(FIELDS)


def test_truncated_it_says_nothing_or_all() -> None:
    client, server = tls_handshake(ssl.TLSVersion.TLSv1_2)
    whole = talked(TlsServer, (UP, client), (DOWN, server))
    for at in range(len(server)):
        said = talked(TlsServer, (UP, client), (DOWN, server[:at]))
        assert said in (NEED_DATA, whole)


def test_answers_at_the_hello_of_tls_1_3() -> None:
    client, server = tls_handshake(ssl.TLSVersion.TLSv1_3)
    said = talked(TlsServer, (UP, client), (DOWN, server))
    assert isinstance(said, Finding)
    assert said.fields["tls.server.version"] == ("1.3",)
    assert "tls.certificate.cn" not in said.fields


def test_a_resumed_session_has_no_names() -> None:
    done = record(_hello(extension(11, b"\1\0"), cipher=b"\xc0\x2f"))
    for after in (b"\x14\3\3\0\1\1", record(b"\x0e\0\0\0"), b"\x15\3\3\0\2\2\x28"):
        said = talked(TlsServer, (UP, hello()), (DOWN, done + after))
        assert isinstance(said, Finding)
        assert said.fields["tls.server.ciphersuite"] == ("0xc02f",)
        assert said.fields["tls.handshake.ja3s_full"] == ("771,49199,11",)
    said = talked(TlsServer, (UP, hello()), (DOWN, done), to_the_end=True)
    assert isinstance(said, Finding) and "tls.certificate.cn" not in said.fields


def test_a_box_that_does_not_join_reads_whole_messages() -> None:
    message = _hello(extension(43, b"\3\4"))
    torn = record(message[:20]) + record(message[20:])
    assert talked(TlsServer, (UP, hello()), (DOWN, torn), reading=_ALONE) is NOT_MINE
    said = talked(TlsServer, (UP, hello()), (DOWN, torn))
    assert isinstance(said, Finding) and said.fields["tls.server.version"] == ("1.3",)
    whole = talked(TlsServer, (UP, hello()), (DOWN, record(message)), reading=_ALONE)
    assert whole == said


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\x15\3\3\0\2\2\x28",  # an alert
        record(b"\x01\0\0\0"),
        record(b"\2" + sized(3, b"\3\3" + bytes(32))),
        record(b"\2" + sized(3, b"\3\3" + bytes(32) + b"\0\x13")),
        record(b"\2" + sized(3, b"\1\3" + bytes(40))),
        record(_hello() + b"\0"),
    ],
)
def test_other_answers_say_nothing_more(data: bytes) -> None:
    said = talked(TlsServer, (UP, hello()), (DOWN, data), to_the_end=True)
    assert said is NOT_MINE or (
        isinstance(said, Finding) and "tls.certificate.cn" not in said.fields
    )


def test_a_client_that_speaks_otherwise_ends_it() -> None:
    assert talked(TlsServer, (UP, b"GET / HTTP/1.1\r\n")) is NOT_MINE


def test_gives_up_at_its_limit() -> None:
    endless = record(_hello()) + record(b"\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff")
    data = endless + record(bytes(16_384))
    said = talked(TlsServer, (UP, hello()), (DOWN, data))
    assert isinstance(said, Finding)
