"""The vendor stops the updates: newer protocols pass, and the lists go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.policy.effects import DropFrame, Inject
from filterlab.policy.engine import Engine
from filterlab.scenario.policies import load_policy
from tests.inspection.flows import quic_datagrams
from tests.inspection.wire import Talk, hello
from tests.policy.boxes import IN, opened

# A licence that ended in the summer of 2020, and one that did not.
_ENDED, _GOES_ON = "2020-08-01", "2024-12-01"
_POLICY = """
title: A vendor's box
position: in_path
signatures: {as_of: %s}
rules:
  - {name: list, when: {tls.sni: added-later.example}, then: {reset: {to: client}}}
  - name: protocols
    when: {protocol: [openvpn, wireguard, quic, fully-encrypted]}
    then: drop
"""
_SESSION, _REPLAY = bytes(range(1, 9)), bytes.fromhex("00000001 674005fa")
_TAIL = b"\x9b\x04\x71\xee\x35"
_TLS_CRYPT = b"\x38" + _SESSION + _REPLAY + b"t" * 32 + _TAIL
_V2 = b"\x50" + _SESSION + _REPLAY + b"t" * 37 + b"k" * 288 + (290).to_bytes(2, "big")
_WIREGUARD = b"\1\0\0\0" + b"i" * 128 + bytes(16)
_DRAFT_28 = b"\xc0\xff\0\0\x1c" + bytes(1195)


def _stops(folder: Path, as_of: str, data: bytes, tcp: bool = False) -> bool:
    file = folder / "policy.yaml"
    file.write_text(_POLICY % as_of)
    engine, talk = Engine(load_policy(file), lambda: 0.5), Talk()
    if tcp:
        opened(engine, talk)
    said = engine.receive(talk.send(data) if tcp else talk.udp(data), 1.0, IN)
    return any(isinstance(effect, DropFrame | Inject) for effect in said)


@pytest.mark.parametrize(
    ("data", "over_tcp", "ended"),
    [
        (_TLS_CRYPT, False, True),
        (_V2, False, False),
        (_WIREGUARD, False, True),
        (_DRAFT_28, False, True),
        (quic_datagrams()[0], False, False),
        (bytes(range(128, 256)) + b"\x8a\x3c", True, False),
        (hello(b"added-later.example"), True, True),
    ],
    ids=["tls-crypt", "tls-crypt-v2", "wireguard", "draft-28", "quic 1", "fet", "list"],
)
def test_newer_protocols_pass_an_old_box(
    tmp_path: Path, data: bytes, over_tcp: bool, ended: bool
) -> None:
    assert _stops(tmp_path, _ENDED, data, over_tcp) is ended
    assert _stops(tmp_path, _GOES_ON, data, over_tcp)
