"""Fingerprints against published values, and against scapy's reading of OpenSSL."""

from __future__ import annotations

import warnings
from hashlib import md5

import pytest

from filterlab.inspection.fingerprint import Offer, ja3, ja3s, ja4
from filterlab.inspection.recogniser import Finding
from filterlab.inspection.recognisers.tls import Tls
from tests.inspection.feeding import fed
from tests.inspection.flows import tls_hello

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # scapy asks cryptography for retired ciphers
    from scapy.layers.tls.handshake import TLSClientHello

# FoxIO-LLC/ja4, technical_details/JA4.md: Chrome, with the lists in JA4_ro's order
_CIPHERS = "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
_EXTENSIONS = (
    "001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b 000a 0015"
)
_SIGNATURES = "0403 0804 0401 0503 0805 0501 0806 0601"
_CHROME_RAW = (
    "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,"
    "cca9_0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_0403,"
    "0804,0401,0503,0805,0501,0806,0601"
)
_GREASE = (0x1A1A,)


def _hexes(text: str) -> tuple[int, ...]:
    return tuple(int(word, 16) for word in text.split())


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split("-") if word)


CHROME = Offer(
    version=0x303,
    ciphers=_GREASE + _hexes(_CIPHERS),
    extensions=_GREASE + _hexes(_EXTENSIONS) + (0x2A2A,),
    versions=(0x3A3A, 0x304, 0x303),
    signature_algorithms=_hexes(_SIGNATURES),
    first_alpn=b"h2",
)


def test_ja4_is_that_of_its_authors_example() -> None:
    assert ja4(CHROME, "t") == ("t13d1516h2_8daaf6152771_e5627efa2ab1", _CHROME_RAW)


@pytest.mark.parametrize(
    ("text", "digest"),
    [  # salesforce/ja3, README
        (
            "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0",
            "ada70206e40642a3e4461f35503241d5",
        ),
        (
            "769,4-5-10-9-100-98-3-6-19-18-99,,,",
            "de350869b8c85de67a350c8d186f11e6",
        ),
    ],
)
def test_ja3_is_that_of_its_authors_examples(text: str, digest: str) -> None:
    version, ciphers, extensions, groups, points = text.split(",")
    offer = Offer(
        int(version),
        ciphers=_GREASE + _numbers(ciphers),
        extensions=_numbers(extensions),
        groups=_numbers(groups) + _GREASE,
        point_formats=_numbers(points),
    )
    assert ja3(offer) == (text, digest)


def test_ja3s_is_that_of_its_authors_example() -> None:
    text = "769,47,65281-0-11-35-5-16"  # salesforce/ja3, README
    extensions = (65281, 0, 11, 35, 5, 16)
    assert ja3s(769, 47, extensions) == (text, "836ce314215654b5b1f85f97c73e506f")
    # The README's own hash was taken with a line end.
    assert md5(f"{text}\n".encode()).hexdigest() == "4835b19f14997673071435cb321f5445"


@pytest.mark.parametrize(
    ("alpn", "ends"),
    [  # JA4.md: what is not alphanumeric is written in hex
        (b"", "00"),
        (b"h2", "h2"),
        (b"http/1.1", "h1"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
    ],
)
def test_ja4_writes_the_ends_of_the_first_protocol(alpn: bytes, ends: str) -> None:
    short, _ = ja4(Offer(0x303, first_alpn=alpn), "t")
    assert short == f"t12i0000{ends}_000000000000_000000000000"


def test_ja4_tells_what_carried_the_hello() -> None:
    assert ja4(CHROME, "q")[0].startswith("q13d1516h2_8daaf6152771")
    dtls = Offer(0xFEFD, versions=(0xFEFC, 0xFEFD))
    assert ja4(dtls, "d")[0].startswith("d" + "d3i")
    assert ja4(Offer(0xFEFF), "d")[0].startswith("d" + "d1i")


def test_agrees_with_another_reader_on_a_real_hello() -> None:
    data = tls_hello()
    said = fed(Tls, [data])
    assert isinstance(said, Finding)
    hello = TLSClientHello(data[5:])
    kinds = [extension.type for extension in hello.ext]
    by_kind = {extension.type: extension for extension in hello.ext}
    text = ",".join(
        [
            str(hello.version),
            "-".join(map(str, hello.ciphers)),
            "-".join(map(str, kinds)),
            "-".join(map(str, by_kind[10].groups)),
            "-".join(map(str, by_kind[11].ecpl)),
        ]
    )
    assert said.fields["tls.handshake.ja3_full"] == (text,)
    assert said.fields["tls.handshake.ja3"] == (md5(text.encode()).hexdigest(),)
    assert said.fields["tls.handshake.extension.type"] == tuple(map(str, kinds))
    start = said.fields["tls.handshake.ja4"][0].split("_")[0]
    assert start == f"t13d{len(hello.ciphers):02}{len(kinds):02}h2"
    signatures = ",".join(f"{number:04x}" for number in by_kind[13].sig_algs)
    assert said.fields["tls.handshake.ja4_r"][0].endswith("_" + signatures)
