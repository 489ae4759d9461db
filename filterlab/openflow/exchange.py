"""One switch under one policy at a time: frames in, effects out on the wire.

Turns what a policy engine says of each frame into messages for the switch, and a
change of policy into a change of tables that loses no frame. Knows neither sockets
nor os-ken: it is given bytes, and a way to send bytes.
Source: design, section 5.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from ipaddress import ip_address
from time import time
from typing import Any, Protocol

from filterlab.captures.given import GivenLog
from filterlab.inspection.flow import FlowKey
from filterlab.openflow import tables, wire
from filterlab.openflow.account import Account
from filterlab.openflow.decisions import DecisionLog
from filterlab.openflow.endings import Endings
from filterlab.openflow.meters import Meters
from filterlab.openflow.opening import first_messages
from filterlab.openflow.suspects import Ask, Suspects
from filterlab.openflow.tables import (
    Entry,
    Port,
    StaticMatch,
    Table,
)
from filterlab.openflow.timers import Clock, Timers
from filterlab.openflow.ways import Ways
from filterlab.policy.effects import (
    DropFrame,
    Effect,
    Inject,
    Led,
    Log,
    Probe,
    Record,
    Settle,
    Side,
)
from filterlab.policy.rules import Policy, Position, Rule
from filterlab.records.keeping import Passed

# How often, in real seconds, an engine may forget what has grown old.
EXPIRE_EVERY_SECONDS = 1.0
# A hundred thousand entries are ten megabytes; the switch reads on while we pack.
SEND_BYTES = 65_536


class Decider(Protocol):
    """What an exchange asks of a policy engine."""

    @property
    def flow_count(self) -> int: ...
    def receive(self, frame: bytes, now: float, side: Side) -> list[Effect]: ...
    def expire(self, now: float) -> object: ...
    def expose(
        self, rule: Rule, key: FlowKey, why: dict[str, str], now: float
    ) -> list[Effect]: ...


class Exchange:
    """One switch under one policy at a time.

    Frames come on the connection's thread, policies on another, delayed work on the
    timers': the lock makes each of them see and leave a whole state.
    """

    def __init__(
        self,
        name: str,
        ports: Sequence[Port],
        log: DecisionLog,
        given: GivenLog,
        clock: Clock,
        timers: Timers,
        new_engine: Callable[[Policy], Decider],
        forbidden: Callable[[Policy], Iterable[StaticMatch]],
        ask_prober: Ask,
        probers: Collection[str] = (),
        tell: Callable[[Passed], None] = lambda passed: None,
    ):
        self.name = name
        self._ports = ports
        self._ways = Ways(ports)
        self._log = log
        self._given = given
        self._clock = clock
        self._timers = timers
        self._new_engine = new_engine
        self._forbidden = forbidden
        self._probers = [ip_address(prober).packed for prober in probers]
        self._suspects = Suspects(name, timers, ask_prober, self._probers)
        self._account = Account(ports, clock.rate, tell, self._probers)
        self._lock = threading.Lock()
        self._send: Callable[[bytes], object] | None = None
        self._out: list[bytes] = []
        self._waiting: dict[int, Callable[[bytes], None]] = {}
        self._xid = 0
        self._generation = 0
        self._policy: Policy | None = None
        self._engine: Decider | None = None
        self._meters = Meters()
        self._ends = Endings()
        self.packets_in = 0
        self.injected = 0
        self.policy_since = 0.0  # the time of day, as captures have it
        timers.every(EXPIRE_EVERY_SECONDS, self._expire)

    # --- the switch ------------------------------------------------------------

    def connect(
        self, send: Callable[[bytes], object], ready: Callable[[], None]
    ) -> None:
        """Give a switch all its entries; `ready` is called once they are in place."""
        with self._lock:
            self._send = send
            self._out = list(first_messages(self._ports, self._probers))
            self._flush()
            if self._policy is not None:
                self._send_forbidden(self._policy, self._generation)
            self._inspect()
            self._after_barrier(lambda _: ready())
            self._flush()

    def received(self, messages: list[bytes]) -> None:
        """Answer what the switch sent, in its order."""
        with self._lock:
            for message in messages:
                kind = message[1]
                if kind == wire.PACKET_IN:
                    self._frame(wire.read_packet_in(message))
                elif kind == wire.FLOW_REMOVED:
                    self._entry_gone(wire.read_removed(message))
                elif kind == wire.ERROR:
                    raise wire.RefusedError(self.name, message)
                else:
                    xid = int.from_bytes(message[4:8])
                    self._answered(xid, message)
            self._flush()
            self._given.flush()

    def _after_barrier(self, done: Callable[[bytes], None]) -> None:
        self._out.append(wire.barrier(self._expect(done)))

    def _expect(self, answer: Callable[[bytes], None]) -> int:
        self._xid += 1
        self._waiting[self._xid] = answer
        return self._xid

    def _answered(self, xid: int, message: bytes) -> None:
        answer = self._waiting.get(xid)
        if not wire.more_to_come(message):
            self._waiting.pop(xid, None)
        if answer is not None:
            answer(message)

    def _flush(self) -> None:
        if self._out and self._send is not None:
            self._send(b"".join(self._out))
        self._out = []

    # --- policies --------------------------------------------------------------

    def set_policy(self, policy: Policy, done: Callable[[], None]) -> None:
        """Put a policy in force without losing a frame.

        What it forbids outright is there before the old goes; running flows are
        looked at again. `done` is called when the switch has come so far. A policy that
        is in force already goes on with all that it remembers.
        """
        if policy == self._policy:
            with self._lock:
                self._after_barrier(lambda _: done())
                self._flush()
            return
        old, new = self._generation, self._generation + 1
        # Outside the lock: a long list must not keep the frames waiting.
        self._send_forbidden(policy, new)
        with self._lock:
            self._generation = new
            self._policy = policy
            is_looked_at = policy.rules or policy.records
            self._engine = self._new_engine(policy) if is_looked_at else None
            self.policy_since = time()
            self._given.change(self.policy_since, self._clock.now())
            self._inspect()
            if old:
                self._forget(old)
            self._out += self._account.change(policy.records)
            self._after_barrier(lambda _: done())
            self._flush()
            self._given.flush()

    def _send_forbidden(self, policy: Policy, generation: int) -> None:
        if policy.position not in (Position.IN_PATH, Position.RESIDUAL):
            return  # who only sees copies can keep nothing back
        assert self._send is not None
        batch = bytearray()
        for entry in tables.address_entries(self._forbidden(policy), generation):
            batch += wire.add_entry(entry)
            if len(batch) > SEND_BYTES:
                self._send(bytes(batch))
                batch.clear()
        self._send(bytes(batch))

    def _inspect(self) -> None:
        entry = tables.inspect_entry(self._policy, self._generation)
        self._out.append(wire.add_entry(entry))

    def _forget(self, generation: int) -> None:
        cookie, mask = tables.cookie_of(generation), tables.GENERATION_MASK
        for table in (Table.VERDICT, Table.ADDRESS):
            self._out.append(wire.remove_entries(table, cookie, mask))
        self._out.extend(map(wire.remove_meter, self._meters.forget()))
        self._ends.clear()

    def _expire(self) -> None:
        with self._lock:
            now = self._clock.now()
            if self._engine is not None:
                self._engine.expire(now)
            if self._account.wants_counts(EXPIRE_EVERY_SECONDS):
                self._ask_counts()

    # --- records ---------------------------------------------------------------

    def _ask_counts(self) -> None:
        since = self._account.asks(self._clock.now())

        def answer(message: bytes) -> None:
            self._account.counted(wire.read_entries(message), since)

        self._out.append(wire.ask_entries(self._expect(answer), Table.COUNT))
        self._flush()

    def before_leap(self, done: Callable[[], None]) -> None:
        """Call `done` when it is known which connections had their last packet."""
        with self._lock:
            self._ask_counts()
            self._after_barrier(lambda _: done())
            self._flush()

    def harvest(self, done: Callable[[], None]) -> None:
        """Call `done` once the switch has told all that it has counted."""
        with self._lock:
            self._out.append(self._account.harvest(done))
            self._flush()
            self._account.settle_up()

    def close_records(self) -> None:
        """Tell every connection that has not been told of."""
        with self._lock:
            self._account.close()

    # --- frames ----------------------------------------------------------------

    def _frame(self, packet: wire.PacketIn) -> None:
        effects: Sequence[Effect] = ()
        now = self._clock.now()
        side = self._ways.side_of[packet.in_port]
        if packet.table == Table.COUNT:
            self._account.first(packet.frame, side, now)
            return
        self.packets_in += 1
        self._given.frame(packet.frame, now)
        if self._engine is not None:
            effects = self._engine.receive(packet.frame, now, side)
        # A frame held under the policy before goes on if today's has no say in it.
        goes_on = bool(packet.cookie & tables.HELD)
        for effect in effects:
            if isinstance(effect, Settle):
                self._settle(effect, packet.table)
            elif isinstance(effect, Inject):
                self._inject(effect)
            elif isinstance(effect, DropFrame):
                goes_on = False
            elif isinstance(effect, Probe):
                self._suspects.take(effect, packet.frame, now)
            elif isinstance(effect, Record | Led):
                self._account.told(effect)
        if goes_on:
            ports = self._ways.released(packet.frame, packet.in_port)
            self._out.append(wire.send_frame(packet.frame, ports))
        self._write(effects, packet.frame)

    def probed(self, number: int, seen: Mapping[str, str], kind: str | None) -> None:
        """Note what the prober has seen of a suspect; `kind` is what it has proved."""
        with self._lock:
            now, engine = self._clock.now(), self._engine
            suspect = self._suspects.answered(number)
            if engine is None or self._policy is None:
                return  # who wanted to know has gone
            line = suspect.told(seen, kind, now, self.packets_in)
            self._log.write(line, self.name, self._policy.name, b"")
        if kind is None or suspect.action.block is None:
            return
        rule, why = suspect.cause.rule, suspect.why(kind)

        def expose() -> None:
            with self._lock:
                if engine is not self._engine:
                    return  # its policy has gone in the meantime, and its list
                moment = self._clock.now()
                effects = engine.expose(rule, suspect.cause.flow, why, moment)
                for effect in effects:
                    if isinstance(effect, Settle):
                        self._settle(effect, Table.VERDICT)
                self._flush()
                self._write(effects, b"")

        self._timers.at(now + suspect.action.lag_seconds, expose)

    def _write(self, effects: Sequence[Effect], frame: bytes) -> None:
        decisions = [effect.decision for effect in effects if isinstance(effect, Log)]
        if decisions:
            self._flush()  # the wire does not wait for the files
            self._given.flush()
            assert self._policy is not None
            for decision in decisions:
                self._log.write(decision, self.name, self._policy.name, frame)

    def _inject(self, inject: Inject) -> None:
        ports = self._ways.injected(inject.frame, inject.towards)
        message = wire.send_frame(inject.frame, ports)
        self.injected += 1
        if inject.delay_seconds > 0:
            self._timers.after(inject.delay_seconds, lambda: self._send_later(message))
            return
        self._out.append(message)
        self._flush()  # it may have a race to win

    def _send_later(self, message: bytes) -> None:
        with self._lock:
            self._out.append(message)
            self._flush()

    def _settle(self, settle: Settle, table: int) -> None:
        meter = 0
        if settle.limit is not None:
            meter, new = self._meters.of(settle.limit)
            self._out += [wire.add_meter(new)] if new is not None else []
        rate = self._clock.rate
        entries = tables.verdict_entries(settle, self._generation, meter, rate)
        if table == Table.ADDRESS and settle.action == "drop":
            entries = tables.silencing_entries(entries)
        self._out.extend(map(wire.add_entry, entries))
        if meter:
            self._meters.used(meter, len(entries))
        if settle.seconds is not None:
            self._end_on_time(entries, self._clock.now() + settle.seconds)

    def _end_on_time(self, entries: list[Entry], end: float) -> None:
        self._ends.put(entries, end)

        def remove() -> None:
            with self._lock:
                self._out += map(wire.remove_entry, self._ends.due(entries, end))
                self._flush()

        self._timers.at(end, remove)

    def _entry_gone(self, gone: wire.Counted) -> None:
        if self._account.removed(gone, self._clock.ago(gone.idle_seconds)):
            return
        if tables.generation_of(gone.cookie) != self._generation:
            return  # its meter went with its policy
        number = gone.cookie & tables.METER_MASK
        if self._meters.left(number):
            self._out.append(wire.remove_meter(number))

    # --- what the bench asks ---------------------------------------------------

    def count(self, tell: Callable[[dict[str, Any]], None]) -> None:
        """Call `tell` with what there is and has been."""

        def answer(message: bytes) -> None:
            entries = wire.read_table_counts(message)
            tell(
                {
                    "packets_in": self.packets_in,
                    "injected": self.injected,
                    "flows": self._engine.flow_count if self._engine else 0,
                    "entries": {t.name.lower(): n for t, n in entries.items()},
                    "meters": len(self._meters),
                }
            )

        with self._lock:
            self._out.append(wire.ask_table_counts(self._expect(answer)))
            self._flush()
