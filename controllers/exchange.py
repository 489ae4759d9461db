"""The exchange: lets a policy decide on each frame that a switch cannot decide alone.

    switch -> packet-in -> engine.receive -> effects -> flow entries, forged frames

An os-ken application for as many switches as the lab's exchanges have. It is started
by `filterlab.openflow.launch` with a configuration of names, datapath ids and ports,
told its policies on standard input, and writes each decision to `decisions.jsonl`,
and which frames it was given to `EXCHANGE-given.bin`.
What it does with a frame stands in `filterlab.openflow.exchange`, where an entry goes
in `filterlab.openflow.tables`. Source: design, section 5.
"""

from __future__ import annotations

import pickle
import random
import resource
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import MAIN_DISPATCHER, set_ev_cls
from os_ken.ofproto import ofproto_v1_3

from filterlab.captures.given import GivenLog, path_in
from filterlab.openflow import lines
from filterlab.openflow.decisions import DecisionLog
from filterlab.openflow.exchange import Decider, Exchange
from filterlab.openflow.tables import Port, StaticMatch
from filterlab.openflow.timers import Clock, Timers
from filterlab.policy.effects import Side
from filterlab.policy.engine import Engine
from filterlab.policy.rules import Policy
from filterlab.policy.static import static_drops
from filterlab.records.keeping import Passed


class ExchangeController(app_manager.OSKenApp):  # type: ignore[misc]
    """The os-ken application: one Exchange for each switch of the configuration."""

    OFP_VERSIONS = (ofproto_v1_3.OFP_VERSION,)

    def __init__(self, *args: Any, config: Mapping[str, Any], **kwargs: Any):
        super().__init__(*args, **kwargs)
        decisions = Path(config["decisions"])
        log = DecisionLog(decisions)
        clock = Clock(config.get("clock_rate", 1.0), config.get("clock_starts"))
        self._clock, timers = clock, Timers(clock)
        self._timers = timers
        self._by_dpid: dict[int, Exchange] = {}
        self._by_name: dict[str, Exchange] = {}
        for facts in config["exchanges"]:
            name = facts["name"]
            chance = random.Random(f"{config['seed']} {name}").random
            ports = [_port(port) for port in facts["ports"]]
            given = GivenLog(path_in(decisions.parent, name))
            exchange = Exchange(
                name,
                ports,
                log,
                given,
                clock,
                timers,
                _engines(chance),
                _forbidden,
                lambda request: lines.say(**request),
                config.get("probers", ()),
                _teller(name),
            )
            self._by_dpid[_number(facts["dpid"])] = exchange
            self._by_name[name] = exchange

    def start(self) -> None:
        """Begin to listen to the lab as well."""
        super().start()
        threading.Thread(target=self._obey, name="requests", daemon=True).start()

    @set_ev_cls(ofp_event.EventOFPStateChange, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def _connected(self, change: ofp_event.EventOFPStateChange) -> None:
        channel = change.datapath
        exchange = self._by_dpid.get(channel.id)
        if exchange is None:
            lines.fault(f"no exchange has the datapath id {channel.id:016x}")
        channel.listener = exchange.received
        exchange.connect(
            channel.send, lambda: lines.say(event="ready", exchange=exchange.name)
        )

    def _obey(self) -> None:
        for request in lines.requests():
            match request["do"]:
                case "policy":
                    self._set_policy(request)
                case "probed":
                    name, _, number = request["suspect"].rpartition(" ")
                    exchange = self._by_name[name]
                    exchange.probed(int(number), request["seen"], request["kind"])
                case "leap":
                    self._timers.leap(request["at_seconds"])
                    lines.say(id=request["id"], done=True)
                case "counters":
                    self._count(request["id"])
                case "count":
                    self._all(Exchange.before_leap, request["id"])
                case "harvest":
                    self._all(Exchange.harvest, request["id"])
                case "close records":
                    for exchange in self._by_name.values():
                        exchange.close_records()
                    now = self._clock.now()
                    lines.say(id=request["id"], done=True, now=now)
                case other:
                    lines.fault(f"a request to do {other!r}")
        lines.end()  # whoever started us has gone

    def _set_policy(self, request: Mapping[str, Any]) -> None:
        policy = pickle.loads(Path(request["policy"]).read_bytes())
        number = request["id"]
        exchange = self._by_name[request["exchange"]]
        exchange.set_policy(
            policy,
            lambda: lines.say(id=number, done=True, since=exchange.policy_since),
        )

    def _all(
        self, do: Callable[[Exchange, Callable[[], None]], None], number: int
    ) -> None:
        """Have every exchange do something, and answer when all have done it."""
        left = len(self._by_name)
        counting = threading.Lock()

        def done() -> None:
            nonlocal left
            with counting:
                left -= 1
                if left:
                    return
            lines.say(id=number, done=True, now=self._clock.now())

        for exchange in self._by_name.values():
            do(exchange, done)

    def _count(self, number: int) -> None:
        counted: dict[str, dict[str, Any]] = {}
        for name, exchange in self._by_name.items():

            def tell(counts: dict[str, Any], name: str = name) -> None:
                counted[name] = counts
                if len(counted) == len(self._by_name):
                    # Linux counts it in KiB (getrusage(2)).
                    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
                    lines.say(
                        id=number, done=True, exchanges=counted, memory_bytes=peak
                    )

            exchange.count(tell)


def _teller(exchange: str) -> Callable[[Passed], None]:
    """Says of each connection that is over what the exchange knows of it."""

    def tell(passed: Passed) -> None:
        facts = {**asdict(passed), "finding": dict(passed.finding)}
        lines.say(event="passed", exchange=exchange, passed=facts)

    return tell


def _engines(chance: Callable[[], float]) -> Callable[[Policy], Decider]:
    return lambda policy: Engine(policy, chance)


def _forbidden(policy: Policy) -> Iterator[StaticMatch]:
    return (drop.match for drop in static_drops(policy))


def _number(value: int | str) -> int:
    return value if isinstance(value, int) else int(value, 16)


def _port(facts: Mapping[str, Any]) -> Port:
    macs = facts.get("mac") or ()
    if isinstance(macs, str):
        macs = (macs,)
    numbers = tuple(int(mac.replace(":", ""), 16) for mac in macs)
    return Port(facts["number"], Side(facts["side"]), numbers)
