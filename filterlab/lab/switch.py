"""The seal's own Open vSwitch: its database, its daemon, and one bridge an exchange.

All folders are below the seal's private /run, so that several labs never meet. The
user-space datapath is used everywhere (`datapath_type=netdev`): it needs no kernel
module and no privilege outside. See ovs-vswitchd(8), ovs-vswitchd.conf.db(5).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from filterlab.lab.clock import wait_for
from filterlab.lab.obstacle import Obstacle
from filterlab.lab.seal import search_path

_HOME = Path("/run/filterlab/ovs")
_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
_WITHIN_SECONDS = 60.0
PACKAGE = "apt-get install openvswitch-switch"


@dataclass(frozen=True, slots=True)
class Port:
    """A port of an exchange, and what is behind it."""

    number: int
    side: str
    interface: str
    mac_behind: str


@dataclass(frozen=True, slots=True)
class Bridge:
    """An exchange as Open vSwitch sees it; `dpid` is 16 hexadecimal digits."""

    name: str
    dpid: str
    ports: tuple[Port, ...]


def _program(name: str) -> str:
    found = shutil.which(name, path=search_path())
    if found is None:
        raise Obstacle(f"there is no {name}", PACKAGE)
    return found


@dataclass
class OpenVSwitch:
    """The two daemons: `start` them, `attach` ports in one transaction, `stop`."""

    folder: Path  # where the logs go
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _logs: list[IO[bytes]] = field(default_factory=list)

    def start(self, bridges: Sequence[Bridge]) -> None:
        """Start both daemons, with bridges that have no ports yet.

        The first bridge costs the daemon 0.1 s (it measures the processor's clock),
        which passes while the nodes are made; `attach` waits for all.
        """
        _HOME.mkdir(parents=True, exist_ok=True)
        for variable in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"):
            os.environ[variable] = str(_HOME)
        if not _SCHEMA.exists():
            raise Obstacle(f"there is no {_SCHEMA}", PACKAGE)
        database, door = _HOME / "conf.db", _HOME / "db.sock"
        tool = [_program("ovsdb-tool"), "create", str(database), str(_SCHEMA)]
        subprocess.run(tool, check=True, capture_output=True)
        server = [_program("ovsdb-server"), str(database), f"--remote=punix:{door}"]
        self._launch([*server, "--no-chdir"])
        wait_for("ovsdb-server's socket", lambda: self._open(door), _WITHIN_SECONDS)
        # One handler and one revalidator: two cores have better things to do, and
        # every thread costs start-up time.
        words = ["--no-wait", "set", "Open_vSwitch", "."]
        words += ["other_config:n-handler-threads=1"]
        words += ["other_config:n-revalidator-threads=1"]
        self.vsctl([*words, *(w for bridge in bridges for w in _bridge_words(bridge))])
        daemon = [_program("ovs-vswitchd"), f"unix:{door}", "--disable-system"]
        self._launch([*daemon, "--no-chdir"])

    def _open(self, door: Path) -> bool:
        self.check()
        # The file is there a moment before anybody listens behind it.
        with socket.socket(socket.AF_UNIX) as knock:
            return knock.connect_ex(str(door)) == 0

    def _launch(self, argv: list[str]) -> None:
        name = Path(argv[0]).name
        log = (self.folder / f"{name}.log").open("wb")
        self._logs.append(log)
        self.processes[name] = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )

    def check(self) -> None:
        """Raise RuntimeError, with the end of its log, if a daemon has died."""
        for name, process in self.processes.items():
            if (status := process.poll()) is not None:
                log = (self.folder / f"{name}.log").read_text(errors="replace")
                end = "\n".join(log.splitlines()[-5:])
                raise RuntimeError(f"{name} ended with status {status}\n{end}")

    def attach(self, bridges: Sequence[Bridge], controller: str | None) -> None:
        """Give the bridges their ports, in one transaction; wait until all is done."""
        words: list[str] = []
        for bridge in bridges:
            words += _port_words(bridge)
            if controller:
                words += _controller_words(bridge.name, controller)
        if words:
            self.vsctl(words[1:])

    def set_controller(self, bridges: Sequence[str], controller: str | None) -> None:
        """Point exchanges at a controller; they connect at once, without back-off."""
        words: list[str] = []
        for name in bridges:
            words += ["--", "set", "Bridge", name, "controller=[]"]
        self.vsctl(words[1:])
        words = []
        for name in bridges if controller else ():
            words += _controller_words(name, str(controller))
        if words:
            self.vsctl(words[1:])

    def vsctl(self, words: Sequence[str]) -> str:
        """Run ovs-vsctl(8) and return its output."""
        self.check()
        done = subprocess.run(
            [_program("ovs-vsctl"), f"--timeout={_WITHIN_SECONDS:.0f}", *words],
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"ovs-vsctl: {done.stderr.strip()}")
        return done.stdout

    def add_flows(self, bridge: str, flows: Sequence[str]) -> None:
        """Add flows in ovs-ofctl(8)'s words, in one bundle."""
        subprocess.run(
            [_program("ovs-ofctl"), "-O", "OpenFlow13", "add-flows", bridge, "-"],
            input="\n".join(flows) + "\n",
            text=True,
            check=True,
            capture_output=True,
        )

    def dump_flows(self, bridge: str) -> str:
        """The flow tables of an exchange, as ovs-ofctl(8) prints them."""
        argv = [_program("ovs-ofctl"), "-O", "OpenFlow13", "dump-flows", bridge]
        return subprocess.run(argv, text=True, check=True, capture_output=True).stdout

    def credit_entries(self) -> None:
        """Let every flow entry know at once what has met it.

        Packets are counted by flows that the datapath keeps by itself, which tell the
        entries behind them up to half a second later (max-revalidator), or never if
        their entry has been taken out. Purged, they tell at once, and are made anew.
        """
        self._appctl("revalidator/purge")

    def datapath_flows(self) -> list[str]:
        """The flows that the datapath keeps by itself, as ovs-appctl(8) prints them."""
        return self._appctl("dpctl/dump-flows", "-m").splitlines()

    def _appctl(self, *command: str) -> str:
        argv = [_program("ovs-appctl"), "-t", str(self._control_door), *command]
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"ovs-appctl: {done.stderr.strip()}")
        return done.stdout

    @property
    def _control_door(self) -> Path:
        process = self.processes["ovs-vswitchd"]
        return _HOME / f"ovs-vswitchd.{process.pid}.ctl"

    def stop(self) -> None:
        """End both daemons at once; their folders end with the seal."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
        for log in self._logs:
            log.close()
        self.processes.clear()


def _bridge_words(bridge: Bridge) -> list[str]:
    name = bridge.name
    words = ["--", "add-br", name]
    words += ["--", "set", "Bridge", name, "datapath_type=netdev", "fail_mode=secure"]
    words += ["protocols=OpenFlow13", f"other-config:datapath-id={bridge.dpid}"]
    return [*words, "other-config:disable-in-band=true"]


def _port_words(bridge: Bridge) -> list[str]:
    words = []
    for port in bridge.ports:
        words += ["--", "add-port", bridge.name, port.interface, "--", "set"]
        words += ["Interface", port.interface, f"ofport_request={port.number}"]
    return words


def _controller_words(bridge: str, controller: str) -> list[str]:
    label = f"@{bridge}-controller"
    # No keep-alive: a controller that is busy for five seconds is not a dead one.
    # 1000 ms is the least back-off that Open vSwitch accepts.
    return [
        *("--", f"--id={label}", "create", "Controller"),
        rf'target="{controller}"',
        *("inactivity_probe=0", "max_backoff=1000", "connection_mode=out-of-band"),
        *("--", "set", "Bridge", bridge, f"controller={label}"),
    ]
