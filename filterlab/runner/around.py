"""A strategy around a probe: a process at each end, which every attempt begins anew.

The host's own firewall leads its packets into an NFQUEUE that the process reads. The
rules come after the process holds the queue and go before it ends, so no packet meets
a queue without a reader; and a process that dies is the lab's fault, because then
packets are lost in the host, not in the country. At a server the rules are only about
the probe's own client: the server may have others.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import filterlab
from filterlab.lab.clock import NotInTime, wait_for
from filterlab.lab.network import LabNode, Network
from filterlab.lab.processes import NotReady, Process, Supervisor
from filterlab.lab.readiness import LogLine
from filterlab.probes.result import ProbeResult, broken
from filterlab.runner.plan import Plan, PlannedProbe
from filterlab.strategies.named import HELLO_PADDING, directions, lowers_ttl
from filterlab.strategies.serve import READY

_MODULE = "filterlab.strategies.serve"
_PACKAGES = Path(filterlab.__file__).parents[1]
_RESTORES = {4: "iptables-restore", 6: "ip6tables-restore"}
_DIED = "-p icmp -m icmp --icmp-type time-exceeded"
# Measured: ready after 0.15 s, of which Python is most; the machine may be busy.
_READY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _End:
    """One host with a strategy: what is applied, and to whose packets."""

    side: str
    node: LabNode
    text: str
    others: tuple[str, ...]  # only packets to and from this host; empty for all

    def rules(self, queue: int, interface: str, version: int) -> list[str]:
        """The rules that lead the host's packets into the queue, as iptables' words."""
        out, back = directions(self.text)
        other = next((a for a in self.others if ip_address(a).version == version), None)
        to, from_ = (f" -d {other}", f" -s {other}") if other else ("", "")
        if self.others and not other:
            return []
        jump = f"-j NFQUEUE --queue-num {queue}"
        found = [f"OUTPUT -o {interface}{to} {jump}"] if out else []
        if back:
            found.append(f"INPUT -i {interface}{from_} {jump}")
        if version == 4 and lowers_ttl(self.text):
            # Word of a packet that died as it should would fail a connection that
            # lives: getsockopt(SO_ERROR) tells it. zapret's manual drops it as well.
            found.append(f"INPUT -i {interface} {_DIED} -j DROP")
        return found


class Around:
    """The strategies of one probe."""

    def __init__(
        self,
        planned: PlannedProbe,
        plan: Plan,
        network: Network,
        supervisor: Supervisor,
        workshop: Path,
        queue: int,
        seed: int,
    ) -> None:
        self._name = planned.name
        self._supervisor = supervisor
        self._workshop = workshop
        self._queue = queue
        self._seed = seed
        self._renewals = 0
        self._ends = list(_ends(planned, plan, network))
        self._processes: list[Process] = []
        self._led: list[tuple[LabNode, int, list[str]]] = []

    def start(self) -> None:
        """Start the processes; the first attempt waits until they are ready."""
        for end in self._ends:
            self._processes.append(self._start(end))

    def during(self, act: Callable[[], ProbeResult]) -> ProbeResult:
        """What comes of an attempt while the strategies are at work, begun anew."""
        try:
            self._lead()
            self._renew()
        except NotReady as error:
            return _broken(str(error))
        result = act()
        deaths = [d for p in self._processes if (d := p.death()) is not None]
        return _broken(str(deaths[0])) if deaths else result

    def stop(self) -> None:
        """Leave the hosts' rules as they were, and end the processes."""
        while self._led:
            node, version, rules = self._led.pop()
            _firewall(node, version, "D", rules)
        self._supervisor.stop(self._processes)

    def _start(self, end: _End) -> Process:
        folder = self._workshop / f"{self._queue}-{end.side}"
        folder.mkdir(parents=True, exist_ok=True)
        order = {
            "strategy": end.text,
            "queue": self._queue,
            "interface": interface_of(end.node),
            "seed": f"{self._seed} {self._name} {end.side}",
        }
        return self._supervisor.start(
            f"{self._name} strategy {end.side}",
            [sys.executable, "-m", _MODULE, json.dumps(order)],
            end.node,
            ready=LogLine(f"{READY} 0"),
            folder=folder,
            variables={"PYTHONPATH": str(_PACKAGES)},
        )

    def _lead(self) -> None:
        """Lead the packets of the ends that are not led yet into their queues."""
        for end, process in zip(self._ends, self._processes, strict=True):
            if any(node is end.node for node, _, _ in self._led):
                continue
            process.wait_ready(_READY_SECONDS)
            for version in _RESTORES:
                rules = end.rules(self._queue, interface_of(end.node), version)
                if said := _firewall(end.node, version, "A", rules):
                    raise NotReady(f"{self._name} strategy", said, [])
                self._led.append((end.node, version, rules))

    def _renew(self) -> None:
        """Let the processes forget what they have seen of earlier attempts."""
        self._renewals += 1
        for process in self._processes:
            if process.alive:
                os.kill(process.pid, signal.SIGHUP)
        for process in self._processes:
            self._await(process, LogLine(f"{READY} {self._renewals}\n"))

    def _await(self, process: Process, said: LogLine) -> None:
        def ready_or_gone() -> bool:
            return not process.alive or said.met(process)

        try:
            wait_for(f"{process.name}: {said}", ready_or_gone, _READY_SECONDS)
        except NotInTime as error:
            raise NotReady(process.name, str(error), process.log_tail()) from None


def _broken(report: str) -> ProbeResult:
    """The lab's fault, with the report's headline once more at its end."""
    return broken(f"{report}\n{report.splitlines()[0]}")


def _ends(planned: PlannedProbe, plan: Plan, network: Network) -> Iterator[_End]:
    applied = plan.scenario.strategies[planned.name]
    client = network.node(planned.client)
    if applied.client not in (None, HELLO_PADDING):
        assert applied.client is not None
        yield _End("client", client, applied.client, ())
    if applied.server is not None:
        # A tool without a server of its own speaks with the probe's target itself.
        own = planned.passage.server if planned.passage is not None else None
        server = own or planned.target
        there = tuple(client.addresses)
        yield _End("server", network.node(server), applied.server, there)


def interface_of(node: LabNode) -> str:
    """The interface by which a host reaches the rest; proc_pid_net(5)."""
    for line in Path(f"/proc/{node.pid}/net/route").read_text().splitlines()[1:]:
        interface, destination = line.split("\t")[:2]
        if destination == "00000000":
            return interface
    raise RuntimeError(f"{node.name} has no way out")


def _firewall(node: LabNode, version: int, what: str, rules: list[str]) -> str:
    """Add (A) or delete (D) rules in one go; what went wrong, or nothing."""
    if not rules:
        return ""
    lines = ["*filter", *(f"-{what} {rule}" for rule in rules), "COMMIT", ""]
    argv = [_RESTORES[version], "-w", "--noflush"]
    done = node.run_in(argv, check=False, input="\n".join(lines))
    if done.returncode == 0:
        return ""
    return f"cannot lead packets into NFQUEUE: {done.stderr.strip()}"
