"""Mininet's own classes, with nothing started before somebody asks for it.

A stock Mininet starts a shell for every node and runs several commands for every
link, one after another: seconds for a country. Here the nursery and one `ip -batch`
have already built everything; these objects describe it, and a node's shell starts
at the first `cmd()`. `mininet.cli.CLI` works with them unchanged.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from typing import Any


class _StrictVersion:
    """All that Mininet asks of distutils: which of two dotted numbers is smaller."""

    def __init__(self, text: str) -> None:
        self.numbers = tuple(int(part) for part in text.split("."))

    def __lt__(self, other: _StrictVersion) -> bool:
        return self.numbers < other.numbers


@contextlib.contextmanager
def _light_distutils() -> Iterator[None]:
    """Let Mininet import `distutils.version` without loading setuptools (0.2 s)."""
    if "distutils" in sys.modules:
        yield
        return
    package, version = (
        types.ModuleType("distutils"),
        types.ModuleType("distutils.version"),
    )
    vars(package)["version"] = version
    vars(version)["StrictVersion"] = _StrictVersion
    sys.modules["distutils"], sys.modules["distutils.version"] = package, version
    try:
        yield
    finally:
        del sys.modules["distutils"], sys.modules["distutils.version"]


with _light_distutils():
    from mininet.link import Intf, Link
    from mininet.net import Mininet
    from mininet.node import Node, OVSSwitch

# Mininet would raise system limits, one sysctl(8) after another.
Mininet.inited = True


class _Lazy:
    """A node whose shell starts at its first command; a mixin before Mininet's Node."""

    shell: Any
    pid: int | None
    inNamespace: bool  # noqa: N815 - Mininet's spelling
    holder: int | None = None

    def startShell(self, mnopts: str | None = None) -> None:  # noqa: N802
        """Do nothing yet: called by Mininet's constructor."""
        self.pid = self.holder

    def start_shell(self) -> None:
        """Start the shell now, in the node's namespaces if it has any."""
        if self.shell:
            return
        in_namespace, self.inNamespace = self.inNamespace, False
        options = "-cd" if self.holder is None else f"-cda{self.holder}"
        Node.startShell(self, mnopts=options)
        self.inNamespace = in_namespace
        if self.holder is not None:
            self.pid = self.holder

    def cmd(self, *args: Any, **options: Any) -> str:
        """Run a command in the node's shell and return its output."""
        self.start_shell()
        return str(Node.cmd(self, *args, **options))

    def sendCmd(self, *args: Any, **options: Any) -> None:  # noqa: N802
        """Start a command in the node's shell."""
        self.start_shell()
        super().sendCmd(*args, **options)  # type: ignore[misc]


class LazyNode(_Lazy, Node):  # type: ignore[misc]
    """A host or router whose namespaces the process `holder` keeps."""

    def __init__(self, name: str, holder: int, **params: Any) -> None:
        """Describe the node; nothing is started."""
        self.holder = holder
        super().__init__(name, **params)

    @classmethod
    def setup(cls) -> None:
        """Nothing to look for: the lab's doctor has."""


class LazySwitch(_Lazy, OVSSwitch):  # type: ignore[misc]
    """An exchange: a bridge that `filterlab.lab.switch` has already made."""

    OVSVersion = "2.13"  # the oldest in a system that the lab supports

    @classmethod
    def setup(cls) -> None:
        """Nothing to look for: the lab's doctor has."""

    @classmethod
    def isOldOVS(cls) -> bool:  # noqa: N802
        """No: see `OVSVersion`."""
        return False


class LazyIntf(Intf):  # type: ignore[misc]
    """An interface that is configured already."""

    def config(self, ip: str | None = None, **_: Any) -> dict[str, Any]:
        """Take note of the address only."""
        if ip and "/" in ip:
            self.ip, self.prefixLen = ip.split("/")
        return {}


class LazyLink(Link):  # type: ignore[misc]
    """A link that exists already."""

    @classmethod
    def makeIntfPair(cls, *_: Any, **__: Any) -> None:  # noqa: N802
        """Do nothing: the pair is there."""


class LazyMininet(Mininet):  # type: ignore[misc]
    """The network as Mininet's command line and its users see it."""

    def __init__(self) -> None:
        """Begin empty; `filterlab.lab.network` adds what exists."""
        super().__init__(
            host=LazyNode,
            switch=LazySwitch,
            link=LazyLink,
            intf=LazyIntf,
            controller=None,
            build=False,
        )
        self.built = True

    def start(self) -> None:
        """Do nothing: everything runs."""

    def stop(self) -> None:
        """End the shells that were started; the seal's end takes the rest."""
        for node in [*self.hosts, *self.switches]:
            if node.shell:
                node.terminate()
