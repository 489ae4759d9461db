"""Stack models: what a box takes in, and what it forgets by."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterlab.inspection.tracking import Event
from filterlab.policy.effects import DropFrame, Effect, Forward
from filterlab.policy.rules import Drop, Grade
from tests.inspection.wire import (
    IP,
    TCP,
    Ether,
    IPv6,
    Talk,
    framed,
    hello,
    hello_in_records,
    request,
)
from tests.policy.boxes import IN, OUT, SNI, box, names, networks, opened, rule

HOST = names("blocked.example", field="http.host")


def _blocks(frames: list[bytes], talk: Talk, **stack: object) -> bool:
    engine = box(rule(SNI, Drop()), **stack)
    opened(engine, talk)
    said = [e for frame in frames for e in engine.receive(frame, 0.0, IN)]
    return DropFrame() in said


def _decoys(talk: Talk) -> dict[str, bytes]:
    """Segments that the server would not take, in the place of the hello."""
    junk, at, ack = b"\0" * 20, talk.seq, talk.ack
    return {
        "checks_checksum": talk.tcp(junk, "PA", at, ack, chksum=1),
        "checks_ack": talk.tcp(junk, "PA", at, ack + 9999),
        "no ack": talk.tcp(junk, "P", at, 0),
        "hops": _with_ttl(talk.tcp(junk, "PA", at, ack), 3),
    }


def _with_ttl(frame: bytes, ttl: int) -> bytes:
    ip = Ether(frame)
    ip[IP].ttl = ttl
    del ip[IP].chksum
    return bytes(ip)


@pytest.mark.parametrize("decoy", list(_decoys(Talk())))
def test_a_careful_box_passes_over_what_the_server_does(decoy: str) -> None:
    talk = Talk()
    frames = [_decoys(talk)[decoy], talk.send(hello())]
    assert _blocks(frames, Talk(), hops=4)
    careless = {"hops": 0, "checks_checksum": False, "checks_ack": False}
    talk = Talk()
    frames = [_decoys(talk)[decoy], talk.send(hello())]
    assert not _blocks(frames, Talk(), **careless)


def test_a_short_header_is_read_only_by_who_does_not_look() -> None:
    for checks, blocks in ((True, False), (False, True)):
        talk = Talk()
        short = talk.tcp(hello(), "PA", talk.seq, talk.ack, dataofs=4)
        assert _blocks([short], talk, checks_offset=checks) is blocks


def test_needs_the_syn_ack() -> None:
    for sees, blocks in ((True, True), (False, False)):
        engine, talk = box(rule(SNI, Drop()), needs_syn_ack=True), Talk()
        engine.receive(talk.syn(), 0.0, IN)
        if sees:
            engine.receive(talk.syn_ack(), 0.0, OUT)
        said = engine.receive(talk.send(hello()), 0.0, IN)
        assert (DropFrame() in said) is blocks


def test_out_of_order_and_overlapping_segments() -> None:
    talk, text = Talk(), hello()
    late = talk.tcp(text[60:], "PA", talk.seq + 60, talk.ack)
    first = talk.tcp(text[:60], "PA", talk.seq, talk.ack)
    assert _blocks([late, first], Talk())
    assert not _blocks([late, first], Talk(), out_of_order="skip")
    assert _blocks([first, late], Talk(), out_of_order="skip")
    junk = talk.tcp(bytes(len(text) - 60), "PA", talk.seq + 60, talk.ack)
    assert _blocks([late, junk, first], Talk(), overlap="first")
    assert not _blocks([late, junk, first], Talk(), overlap="last")
    assert _blocks([junk, late, first], Talk(), overlap="last")


def test_forgets_by_what_its_events_say() -> None:
    talk = Talk()
    reset = talk.tcp(b"", "R", talk.seq + 5000, 0)
    right = talk.tcp(b"", "R", talk.seq, 0)
    for seq, forgets in (("any", True), ("window", True), ("exact", False)):
        event = Event("forget", frozenset({4}), seq=seq)  # type: ignore[arg-type]
        frames = [reset, Talk().send(hello())]
        assert _blocks(frames, Talk(), teardown=(event,)) is not forgets
        assert not _blocks([right, Talk().send(hello())], Talk(), teardown=(event,))
    by_server = Event("forget", frozenset({4}), sender="server")
    assert _blocks([right, Talk().send(hello())], Talk(), teardown=(by_server,))


def test_resynchronises_by_the_next_packet_of_the_client() -> None:
    event = Event("sync-next", frozenset({4}), on=frozenset({"client"}))
    talk = Talk()
    reset = talk.tcp(b"", "R", talk.seq, 0)
    decoy = talk.tcp(b"x", "PA", talk.seq + 9999, talk.ack)
    for frames, blocks in (([reset], True), ([reset, decoy], False)):
        whole = [*frames, Talk().send(hello())]
        stack = {"grade": Grade.SEGMENT, "resync": (event,)}
        assert _blocks(whole, Talk(), **stack) is blocks


def test_fragments() -> None:
    segment = TCP(sport=40_000, dport=443, flags="PA", seq=1000, ack=5000) / hello()
    whole = framed(segment)
    pieces = _fragmented(whole)
    for mode, blocks in (("read", True), ("pass", False), ("drop", True)):
        for order in (pieces, pieces[::-1]):
            assert _blocks(order, Talk(), fragments=mode) is blocks
    # The last piece that comes is kept back, the others have gone on.
    engine, talk = box(rule(SNI, Drop())), Talk()
    opened(engine, talk)
    said = [engine.receive(piece, 0.0, IN)[0] for piece in pieces]
    assert said[-1] == DropFrame() and set(said[:-1]) == {Forward()}
    engine = box(rule(SNI, Drop()), fragments_most=2)
    said = [engine.receive(piece, 0.0, IN)[0] for piece in pieces]
    assert said[:2] == [Forward(), Forward()] and set(said[2:]) == {DropFrame()}


def _fragmented(frame: bytes) -> list[bytes]:
    ether = Ether(frame)
    return [
        bytes(Ether(src=ether.src, dst=ether.dst) / piece)
        for piece in ether[IP].fragment(48)
    ]


def test_ipv6_fragments() -> None:
    talk = Talk(six=True)
    frame = talk.tcp(hello(), "PA", 1000, 5000)
    ip = Ether(frame)[IPv6]
    body, head = bytes(ip.payload), frame[:14]
    pieces = []
    for at in range(0, len(body), 64):
        more = at + 64 < len(body)
        part = body[at : at + 64]
        fragment = b"\6\0" + (at | more).to_bytes(2) + b"\0\0\0\7"
        fixed = bytes(IPv6(src=ip.src, dst=ip.dst, nh=44, plen=8 + len(part), hlim=64))
        pieces.append(head + fixed + fragment + part)
    assert _blocks(pieces, Talk(six=True))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans())
def test_segmentation_alone_never_changes_the_verdict(
    data: st.DataObject, listed: bool
) -> None:
    """However the bytes are cut, ordered, repeated and mixed with decoys."""
    name = "blocked.example" if listed else "other.example"
    text = data.draw(st.sampled_from([hello(name.encode()), request(name)]))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=8)))
    spans = list(zip([0, *cuts], [*cuts, len(text)], strict=True))
    order = data.draw(st.permutations(spans + spans[:2]))
    engine = box(rule(SNI, Drop()), rule(HOST, Drop(), name="http"), hops=4)
    talk = Talk()
    opened(engine, talk)
    decoys = list(_decoys(talk).values())
    said: list[Effect] = []
    for low, high in order:
        said += engine.receive(data.draw(st.sampled_from(decoys)), 0.0, IN)
        frame = talk.tcp(text[low:high], "PA", talk.seq + low, talk.ack)
        said += engine.receive(frame, 0.0, IN)
    assert (DropFrame() in said) is listed


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([Grade.TCP, Grade.TLS_RECORD]))
def test_segmentation_never_changes_the_verdict(
    data: st.DataObject, grade: Grade
) -> None:
    name = data.draw(st.sampled_from([b"blocked.example", b"other.example"]))
    text = hello(name) if grade is Grade.TCP else hello_in_records(20, name)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=8)))
    spans = list(zip([0, *cuts], [*cuts, len(text)], strict=True))
    order = data.draw(st.permutations(spans + data.draw(st.permutations(spans))))
    engine, talk = box(rule(SNI, Drop()), grade=grade), Talk()
    opened(engine, talk)
    said: list[Effect] = []
    for low, high in order:
        frame = talk.tcp(text[low:high], "PA", talk.seq + low, talk.ack)
        said += engine.receive(frame, 0.0, IN)
    assert (DropFrame() in said) is (name == b"blocked.example")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 90)), max_size=8))
def test_no_stack_model_raises(mutations: list[tuple[bytes, int]]) -> None:
    event = Event("sync-next", on=frozenset({"expected", "server-syn-ack"}))
    engine = box(
        rule(SNI, Drop()),
        rule(networks("10.0.0.0/8"), Drop(), name="net"),
        teardown=(Event("forget", frozenset({4}), match="2-tuple"),),
        resync=(event, Event("sync", frozenset({16}), reads=False)),
        needs_syn=False,
        needs_syn_ack=True,
        checks_offset=False,
        options="known",
        hops=2,
    )
    talk = Talk()
    seeds = [talk.syn(), talk.send(hello()), *_fragmented(talk.send(hello()))[:2]]
    for number, (bytes_, at) in enumerate(mutations):
        seed = seeds[number % len(seeds)]
        frame = seed[:at] + bytes_ + seed[at + len(bytes_) :]
        said = engine.receive(frame, float(number), IN)
        assert sum(isinstance(e, Forward | DropFrame) for e in said) == 1
