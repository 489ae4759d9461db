"""What a policy may ask of forged packets and of datagrams, as published boxes do."""

from __future__ import annotations

from pathlib import Path

from filterlab.policy.effects import DropFrame, Effect
from filterlab.policy.engine import Engine
from filterlab.scenario.policies import load_policy
from tests.inspection.wire import Talk, request
from tests.policy.boxes import IN, OUT, injected, opened

_NAME = "blocked.example"


def _engine(folder: Path, text: str) -> Engine:
    file = folder / "policy.yaml"
    file.write_text(f"title: a box\n{text}")
    return Engine(load_policy(file), lambda: 0.5)


def _up(engine: Engine, frame: bytes, now: float = 1.0) -> list[Effect]:
    return engine.receive(frame, now, IN)


def test_a_reset_that_nobody_believes_goes_first(tmp_path: Path) -> None:
    """Belarus, December 2016 (OONI): a reset of number 0, then a good one."""
    engine = _engine(
        tmp_path,
        "position: on_path\nrules: [{when: {http.host: blocked.example}, then: "
        "{reset: {to: client, flags: R, seq: 0, ip_id: mirror, also: "
        "[{to: client, flags: R, ip_id: 5}]}}}]",
    )
    talk = Talk(server_port=80)
    opened(engine, talk)
    frame = talk.send(request(_NAME))
    forged = [packet for _, packet in injected(_up(engine, frame))]
    assert [packet.seq for packet in forged] == [0, talk.ack]
    assert [packet.frame[18:20] for packet in forged] == [frame[18:20], b"\0\5"]


def test_a_page_with_flags_of_its_own(tmp_path: Path) -> None:
    """Snort's rule for PacketLogic: 307, FIN+ACK, id 13330, no fragmentation flags."""
    engine = _engine(
        tmp_path,
        "rules: [{when: {http.host: blocked.example}, then: {inject_http: {status: "
        "307, location: 'http://a.example/', ip_id: 13330, flags: FA, "
        "dont_fragment: no, resets: none}}}]",
    )
    talk = Talk(server_port=80)
    opened(engine, talk)
    ((_, page),) = injected(_up(engine, talk.send(request(_NAME))))
    assert page.flags == 0x11 and page.frame[18:22] == b"\x34\x12\0\0"


def test_datagrams_without_a_memory(tmp_path: Path) -> None:
    """Russia, July 2022 (ntc.party 1823/63): each long header by itself."""
    engine = _engine(
        tmp_path,
        "stack: {grade: packet, datagrams: each, quic: {opens: no}}\n"
        "rules: [{when: {quic.version: '1', payload.length: 1200-65535}, then: drop}]",
    )
    talk = Talk()
    long, short = b"\xc0\0\0\0\1".ljust(1200, b"\0"), b"\xc0\0\0\0\1".ljust(900, b"\0")
    for data, drops in ((b"fake", False), (long, True), (short, False), (long, True)):
        assert (DropFrame() in _up(engine, talk.udp(data))) is drops
    assert DropFrame() not in engine.receive(talk.udp(b"x", up=False), 2.0, OUT)
