"""A provider's records of a run: what exchanges tell, joined with the NAT's own log.

    exchange -> connection that is over -.
    router   -> its new translations ----'-> rows -> writer -> records.sqlite

A log that ends early, or rows that cannot be written, are the lab's fault and said.
"""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filterlab.lab.clock import NotInTime, wait_for
from filterlab.lab.network import LabNode, Network
from filterlab.lab.obstacle import Obstacle
from filterlab.lab.programs import find_program
from filterlab.policy.rules import Records
from filterlab.records.command import FILE_NAME
from filterlab.records.entries import Subscriber
from filterlab.records.keeping import Keeper, Passed
from filterlab.records.translation import Translations
from filterlab.records.writer import Writer
from filterlab.runner.plan import Plan

UNWRITTEN = "records-unwritten.jsonl"
DAY_SECONDS = 86_400.0
_LOG = ["conntrack", "-E", "-e", "NEW", "-o", "timestamp"]
_UP_WITHIN_SECONDS = 10.0
# The log comes by a socket and a pipe, the connection's end by two others: milliseconds
# apart, on a machine that is not so busy that nothing can be told anyway.
_LATE_SECONDS = 2.0
_NETFILTER = "12"  # NETLINK_NETFILTER (linux/netlink.h), in /proc/PID/net/netlink


class BookkeepingFault(RuntimeError):  # noqa: N818 - the word of the lab's failures
    """Records are missing, or cannot be relied on; the text says which and why."""


class NatLog:
    """The log of one router that translates addresses, kept while it runs."""

    def __init__(self, node: LabNode, into: Translations, logs: Path) -> None:
        if find_program(_LOG[0]) is None:
            raise Obstacle(f"there is no {_LOG[0]}", "apt-get install conntrack")
        self._name = node.name
        self._into = into
        self._log = logs / f"{node.name}-conntrack.log"
        self._complaints = logs / f"{node.name}-conntrack.errors"
        with self._complaints.open("wb") as errors:
            self._process = node.popen(_LOG, stdout=subprocess.PIPE, stderr=errors)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        table = Path(f"/proc/{node.pid}/net/netlink")
        wait_for(
            f"the translations of {node.name}",
            lambda: _listens(table.read_text()) or self._process.poll() is not None,
            _UP_WITHIN_SECONDS,
        )

    def fault(self) -> str | None:
        """Why it does not hold everything, or None while it does."""
        said = self._complaints.read_text(errors="replace")
        if self._process.poll() is not None:
            return f"the log of translations at {self._name} has ended: {said}".strip()
        if "ENOBUFS" in said:  # conntrack(8): the kernel had no room for an event
            return f"the log of translations at {self._name} has lost lines"
        return None

    def stop(self) -> None:
        """End it, and have read what it said."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._log.open("wb") as copy:
            for line in self._process.stdout:
                copy.write(line)
                self._into.line(line.decode(errors="replace"))


class Bookkeeping:
    """The records of one run."""

    def __init__(
        self, plan: Plan, network: Network, folder: Path, place: str | None = None
    ) -> None:
        """`place` is a file or a database's URL, if not in the folder."""
        self._terms = terms_of(plan)
        self._translations = Translations(keeps_ports=self._terms.ports)
        translating = [network.node(name) for name in translators(plan)]
        self._logs: list[NatLog] = []
        self._writer = Writer(place or folder / FILE_NAME, folder / UNWRITTEN)
        self._lines = lines_of(plan)
        self._keeper = Keeper(
            self._lines,
            self._writer.add,
            self._terms.silence_seconds,
            self._translations if translating else None,
        )
        self._writer.add(_subscribers(plan))
        self._waiting: queue.Queue[Passed | None] = queue.Queue()
        self._late: list[Passed] = []
        self._forgotten = 0.0  # when rows were last looked through, by the scenario
        self._thread = threading.Thread(target=self._work, name="bookkeeping")
        self._thread.start()
        for node in translating:
            self._logs.append(NatLog(node, self._translations, folder / "logs"))

    def take(self, event: Mapping[str, Any]) -> None:
        """A connection that is over, as an exchange tells it."""
        self._waiting.put(Passed(**event["passed"]))

    def lease(self, address: str, client: str) -> None:
        """A client has one more address: that of his session with a VPN's operator."""
        self._lines[address] = client

    def forget(self, now: float) -> None:
        """Let go what is too old by the scenario's clock."""
        self._forgotten = now
        self._writer.forget(round(now * 1000), self._terms.keep_seconds / DAY_SECONDS)

    def fault(self) -> str | None:
        """What keeps the records from being whole, or None while nothing does."""
        return next((fault for log in self._logs if (fault := log.fault())), None)

    def close(self, now: float | None) -> None:
        """Write all that is left, and let go what is too old by then.

        Raises BookkeepingFault if a row was not written, or lacks what it should hold.
        """
        self._waiting.put(None)
        self._thread.join()
        fault = self.fault()
        try:
            wait_for("the translations", lambda: not self._untold(), _LATE_SECONDS)
        except NotInTime:
            answered = self._untold()
            fault = fault or f"no translation is known of {answered[0]}"
        for log in self._logs:
            log.stop()
        for passed in self._late:
            self._keeper.passed(passed)
        self._keeper.close()
        if now is not None:
            self.forget(now)
        trouble = self._writer.close() or fault
        if trouble is not None:
            raise BookkeepingFault(trouble)

    def _work(self) -> None:
        while (passed := self._waiting.get()) is not None:
            if self._keeper.knows(passed):
                self._keeper.passed(passed)
            else:
                self._late.append(passed)
            if passed.end - self._forgotten > DAY_SECONDS:
                self.forget(passed.end)

    def _untold(self) -> list[Passed]:
        """Connections that were answered from beyond a translation nobody knows of."""
        return [
            p
            for p in self._late
            if p.bytes_up and p.bytes_down and not self._keeper.knows(p)
        ]


def keeps_records(plan: Plan) -> bool:
    """Whether any policy of a scenario keeps records."""
    return any(policy.records for policy in plan.scenario.policies.values())


def terms_of(plan: Plan) -> Records:
    """The terms of all policies that keep records: the longest, and the most told."""
    terms = [p.records for p in plan.scenario.policies.values() if p.records]
    return Records(
        max(one.keep_seconds for one in terms),
        max(one.silence_seconds for one in terms),
        any(one.ports for one in terms),
    )


def translators(plan: Plan) -> list[str]:
    """The routers that change the addresses of what has passed an exchange.

    One inside of it has changed them before: what it makes is all that is seen.
    """
    words = ("SNAT", "MASQUERADE")
    return [
        name
        for name in plan.topo.hosts()
        if plan.topo.nodeInfo(name).get("side") != "inside"
        for command in plan.topo.nodeInfo(name).get("commands", ())
        if any(word in command.split() for word in words)
    ]


def lines_of(plan: Plan) -> dict[str, str]:
    """Whose each address is: a client's own host, and the devices of its probes."""
    nodes = {plan.node_of[name]: name for name in plan.scenario.clients}
    nodes |= {planned.client: planned.probe.client for planned in plan.probes}
    return {
        address: name
        for node, name in nodes.items()
        for address in plan.addresses(node)
    }


def _subscribers(plan: Plan) -> list[Subscriber]:
    """All clients, with what the provider knows of each."""
    found = []
    for name, client in plan.scenario.clients.items():
        identity = client.subscriber
        facts = {} if identity is None else identity.model_dump()
        found.append(Subscriber(name, **facts))
    return found


def _listens(table: str) -> bool:
    """Whether anybody in a network namespace is told of what netfilter does."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return any(row[1] == _NETFILTER and int(row[3], 16) for row in rows)
