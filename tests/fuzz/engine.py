"""Gives engines mutated frames by the million: none may raise, none may answer oddly.

    python tests/fuzz/engine.py --frames 10000000
    python tests/fuzz/engine.py --guided --seconds 600     (with `pip install atheris`)

Without --guided the mutations are blind, on conversations that recognisers know, so
that most frames get past the headers. A frame that raises is written to a capture
with the frames before it, and named; exit status 1. The same seed gives the same run.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from pathlib import Path

from filterlab.bench.asked import asked
from filterlab.bench.traffic import Ends, Traffic, dns_query, tls_hello, write_pcap
from filterlab.inspection.field import Kind
from filterlab.inspection.fields import FIELDS
from filterlab.inspection.packet import ACK, FIN, PSH, RST
from filterlab.inspection.recogniser import QuicReading
from filterlab.policy.effects import DropFrame, Effect, Forward, Inject, Side
from filterlab.policy.engine import Engine
from filterlab.policy.rules import (
    Action,
    AfterFlows,
    AnyOf,
    Condition,
    Drop,
    Grade,
    InjectDns,
    InjectHttp,
    Match,
    Names,
    Numbers,
    Policy,
    Position,
    Reset,
    Residual,
    Rule,
    Source,
    StackModel,
    Texts,
    Throttle,
)

NAME = "www1.site.example"
KEPT_FRAMES = 2_000  # of an engine before a failure: what a flow may depend on
SOURCE = Source("tests/fuzz/engine.py", 1)
SIDES = (Side.INSIDE, Side.OUTSIDE)
# Values that length fields and counters trip over.
ODD = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff", b"\0\0", b"\0\1", b"\xff\xff\xff")


def policies() -> list[Policy]:
    """Every grade, position and action, with every recogniser on."""
    listed = Names(frozenset((NAME,)), frozenset(("site.example",)))
    by_name = [Match(key, listed) for key in ("tls.sni", "http.host", "dns.qry.name")]
    anything = AnyOf(tuple(_wanted(key, value) for key, value in asked()))
    found = []
    for number, grade in enumerate(Grade):
        for position in Position:
            stack = StackModel(
                grade=grade,
                needs_syn=number % 2 == 0,
                checks_checksum=number == 3,
                idle_seconds=0.5 + number,
                max_flows=(8, 100, 10_000, 1_000)[number],
                inspect_bytes=(16_384, 1_000, 4_096, 65_536)[number],
                inspect_packets=(64, 3, 16, 1_000)[number],
                fragments="hold"
                if number < 2 and position is Position.IN_PATH
                else "read",
                quic=QuicReading(checks_tag=number != 2, checks_header=number != 1),
            )
            rules = [_rule(anything, Reset()), *_rules(by_name, position)]
            name = f"{grade.value} {position.value}"
            found.append(Policy(name, name, SOURCE, position, stack, tuple(rules)))
    return found


def _wanted(key: str, value: str) -> Match:
    kind = FIELDS[key].kind
    if kind is Kind.NUMBER:
        return Match(key, Numbers(frozenset((int(value),))))
    if kind is Kind.NAME:
        return Match(key, Names(frozenset((value,)), frozenset()))
    return Match(key, Texts((value,)))


def _rules(by_name: Sequence[Match], position: Position) -> Iterator[Rule]:
    sni, host, query = by_name
    if position in (Position.IN_PATH, Position.RESOLVER):
        yield _rule(Match("tls.alpn", Texts(("h2",))), Throttle(100))
        several = AfterFlows(2, "server", 5.0)
        late = Residual("server", 1.0, onset_seconds=0.1, most_onset_seconds=0.5)
        yield Rule("several", SOURCE, host, Drop(), late, after_flows=several)
        yield _rule(sni, Drop(), Residual("3-tuple", 1.0, rearm=True))
    elif position is Position.RESIDUAL:
        yield _rule(sni, Drop(), Residual("2-tuple", 1.0, onset_seconds=0.1))
    yield _rule(sni, Reset(count=3), Residual("4-tuple", 1.0, mechanism="reset"))
    yield _rule(host, InjectHttp(location="http://198.18.0.1/"))
    yield _rule(query, InjectDns((IPv4Address("198.18.0.9"),)))


def _rule(when: Condition, then: Action, residual: Residual | None = None) -> Rule:
    return Rule(type(then).__name__.lower(), SOURCE, when, then, residual)


def conversations() -> list[list[bytes]]:
    """Frames of flows that recognisers know, each flow in order."""
    found = []
    for number, said in enumerate((tls_hello(NAME), _request(), b"SSH-2.0-x\r\n")):
        ends = Ends(0x64400002, 40_000 + number, 0xC6120005, (443, 80, 22)[number])
        frames = [*ends.syn(), *ends.say(said, True), *ends.say(b"\x16" * 900, False)]
        found.append([*frames, ends.tcp(b"", True, FIN | ACK)])
        split = Ends(0x64400003, 41_000 + number, 0xC6120005, (443, 80, 22)[number])
        pieces = [said[at : at + 7] for at in range(0, 210, 7)]
        frames = [*split.syn(), *(split.tcp(p, True, PSH | ACK) for p in pieces)]
        found.append([*frames, split.tcp(b"", False, RST)])
    for port in (53, 443, 500, 1194, 51820, 3478):
        ends = Ends(0x64400004, 42_000 + port % 1000, 0xC6120035, port)
        query = dns_query(NAME, port)
        found.append([ends.udp(query, True), ends.udp(query[:2] + b"\x81\x80", False)])
        stream = Ends(0x64400004, 43_000 + port % 1000, 0xC6120035, port)
        framed = len(query).to_bytes(2, "big") + query
        found.append([*stream.syn(), *stream.say(framed, True)])
    found += [_torn(talk[-1]) for talk in found]
    mixed = Traffic(60, 600, seed=2).mixed()
    return [*found, *(mixed[at : at + 30] for at in range(0, len(mixed), 30))]


def _torn(frame: bytes) -> list[bytes]:
    """A frame of IPv4 in fragments (RFC 791, 3.1), the last one twice."""
    content = frame[34:]
    starts = range(0, len(content), 24)
    return [
        frame[:16]
        + (20 + len(content[at : at + 24])).to_bytes(2)
        + frame[18:20]
        + (at // 8 | (at != starts[-1]) << 13).to_bytes(2)
        + frame[22:34]
        + content[at : at + 24]
        for at in (*starts, *starts[-1:])
    ]


def _request() -> bytes:
    return f"GET http://{NAME}/a HTTP/1.1\r\nHost: {NAME}:80\r\n\r\n".encode()


class Mutator:
    """Frames without end, out of conversations."""

    def __init__(self, chosen: random.Random, known: list[list[bytes]]) -> None:
        self._random = chosen
        self._known = known
        self._pool = [frame for talk in known for frame in talk]
        self._six = [_as_ipv6(frame) for frame in self._pool[:200]]

    def frames(self) -> Iterator[bytes]:
        """One conversation after the other, each spoilt in its own way."""
        chosen = self._random
        while True:
            talk = list(chosen.choice(self._known))
            spoils = chosen.random() * 0.6
            order = chosen.random()
            if order < 0.15:
                chosen.shuffle(talk)
            elif order < 0.3:
                talk += talk[:: chosen.choice((1, 2, -1))]
            for frame in talk:
                yield self._mutated(frame) if chosen.random() < spoils else frame
            if order > 0.9:
                yield self._mutated(chosen.choice(self._six))

    def _mutated(self, frame: bytes) -> bytes:
        chosen = self._random
        for _ in range(chosen.choice((1, 1, 1, 2, 4))):
            frame = self._once(frame)
        return frame

    def _once(self, frame: bytes) -> bytes:
        chosen, size = self._random, len(frame)
        if size < 2:
            return chosen.randbytes(chosen.randrange(80))
        # Headers and the first bytes of the payload matter more than the rest.
        at = chosen.randrange(min(size, chosen.choice((24, 60, 140, size))))
        what = chosen.randrange(8)
        if what == 0:
            return frame[:at]
        if what == 1:
            return frame[:at] + chosen.choice(ODD) + frame[at:]
        if what == 2:
            return frame[:at] + frame[at + chosen.randrange(1, 9) :]
        if what == 3:
            odd = chosen.choice(ODD)
            return frame[:at] + odd + frame[at + len(odd) :]
        if what == 4:
            other = chosen.choice(self._pool)
            return frame[:at] + other[at:]
        if what == 5:
            return frame + frame[at:]
        flipped = frame[at] ^ 1 << chosen.randrange(8)
        return frame[:at] + bytes((flipped,)) + frame[at + 1 :]


def _as_ipv6(frame: bytes) -> bytes:
    """The same packet in IPv6, behind a fragment header that says it is whole."""
    segment = frame[34:]
    head = b"\x60\0\0\0" + (len(segment) + 8).to_bytes(2, "big") + b"\x2c\x40"
    fragment = frame[23:24] + bytes(7)
    return frame[:12] + b"\x86\xdd" + head + frame[26:34] * 4 + fragment + segment


class Subject:
    """One engine, what it was given last, and what must hold of its answers."""

    def __init__(self, policy: Policy, seed: int) -> None:
        self.name = policy.name
        self._holds = policy.position in (Position.IN_PATH, Position.RESOLVER)
        self._engine = Engine(policy, random.Random(seed).random)
        self._most = policy.stack.max_flows
        self.past: list[bytes] = []
        self.now = 1_700_000_000.0

    def give(self, frame: bytes, side: Side, later: float) -> None:
        """Give the engine a frame; raises what it raises, or AssertionError."""
        self.past.append(frame)
        if len(self.past) > 2 * KEPT_FRAMES:
            del self.past[:KEPT_FRAMES]
        self.now += later
        effects = self._engine.receive(frame, self.now, side)
        if later > 0.3:
            self._engine.expire(self.now)
        self._check(effects)

    def _check(self, effects: list[Effect]) -> None:
        fates = sum(isinstance(effect, Forward | DropFrame) for effect in effects)
        if self._holds:
            assert fates == 1, f"{fates} fates for one frame"
        for effect in effects:
            if isinstance(effect, Inject):
                assert len(effect.frame) >= 34, "an injected frame without a header"
        assert self._engine.flow_count <= self._most, "more flows than there may be"


def fuzz(frames: int, seconds: float, seed: int, out: Path) -> int:
    """Blind mutations until so many frames or seconds; the exit status."""
    chosen = random.Random(seed)
    mutator = Mutator(chosen, conversations()).frames()
    subjects = [Subject(policy, seed) for policy in policies()]
    started = time.monotonic()
    given = 0
    while given < frames and time.monotonic() - started < seconds:
        subject = chosen.choice(subjects)
        for frame in (next(mutator) for _ in range(min(500, frames - given))):
            later = chosen.choice((0.0, 0.0, 0.0001, 0.01, 0.4))
            given += 1
            try:
                subject.give(frame, chosen.choice(SIDES), later)
            except Exception:
                return _failed(subject, given, out)
        if given % 100_000 < 500:
            rate = given / (time.monotonic() - started)
            print(f"{given:,} frames, {rate:,.0f} a second", file=sys.stderr)
    took = time.monotonic() - started
    print(f"{given:,} mutated frames in {took:.0f} s, seed {seed}: nothing raised")
    return 0


def _failed(subject: Subject, given: int, out: Path) -> int:
    traceback.print_exc()
    write_pcap(out, subject.past)
    print(f"frame {given:,}, under the policy '{subject.name}'; the frames: {out}")
    return 1


def fuzz_guided(seconds: float, seed: int) -> None:
    """Mutations led by coverage, as long as atheris goes on; it never returns."""
    import atheris

    atheris.instrument_all()
    known = conversations()
    made = policies()

    def test_one(data: bytes) -> None:
        provider = atheris.FuzzedDataProvider(data)
        subject = Subject(made[provider.ConsumeIntInRange(0, len(made) - 1)], seed)
        talk = known[provider.ConsumeIntInRange(0, len(known) - 1)]
        for frame in talk[:12]:
            at = provider.ConsumeIntInRange(0, len(frame))
            piece = provider.ConsumeBytes(provider.ConsumeIntInRange(0, 40))
            changed = frame[:at] + piece + frame[at + len(piece) :]
            subject.give(changed, SIDES[provider.ConsumeIntInRange(0, 1)], 0.01)

    limits = [f"-max_total_time={round(seconds)}", f"-seed={seed}", "-max_len=4096"]
    atheris.Setup([sys.argv[0], *limits], test_one)
    atheris.Fuzz()


def main() -> int:
    """Read the command line and fuzz."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--guided", action="store_true", help="by coverage, atheris")
    parser.add_argument("--out", type=Path, default=Path("fuzz-failure.pcap"))
    chosen = parser.parse_args()
    if chosen.guided:
        fuzz_guided(min(chosen.seconds, 1e6), chosen.seed)
    return fuzz(chosen.frames, chosen.seconds, chosen.seed, chosen.out)


if __name__ == "__main__":
    sys.exit(main())
