"""The shape of a tool's YAML file: what it needs, makes, starts, and how it is entered.

A tool is one folder of files and one or more programs (parts), each on a host by its
role: `server`, `client`, or any other word (a bridge, a broker), and every role but
the client's has a host of its own. File contents and commands are templates
(`string.Template`): `${folder}`, `${server_address}`, `${resolver_address}` (the lab's
resolver where the server stands), `${python}`, `${here}` (the
folder of the tool's file), the outputs of `keys`. Commands run without a shell, in the
tool's own folder, which is made anew for each start.
"""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import Field

from filterlab.scenario.item import Item
from filterlab.scenario.values import (
    Reads,
    Seconds,
    Truth,
    Unreadable,
    Words,
    WrongShape,
    choice,
    text,
    whole_number,
    word_of,
)

# Where programs, devices and kernel settings lie; a command may name these and the
# tool's own folder.
_SYSTEM_FOLDERS = ("/usr/", "/bin/", "/sbin/", "/dev/", "/proc/", "/sys/")
_ABSOLUTE = re.compile(r"(?:^|[\s='\"<>])(/[^\s'\"<>;&|]*)")
_ENTRIES = ("socks5", "http", "tun", "dns", "transparent", "program")
_STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGKILL")
_ROLE = re.compile(r"[a-z][a-z0-9_]{0,19}")


def command(value: Any) -> str:
    """A command line that names no path outside the tool's folder."""
    line = text(value)
    try:
        words = shlex.split(line)
    except ValueError:
        expected = "a command line with each quote closed"
        raise Unreadable(expected) from None
    for word in words:
        _stay_inside(word)
    return line


def _stay_inside(word: str) -> None:
    outside = [
        path for path in _ABSOLUTE.findall(word) if not path.startswith(_SYSTEM_FOLDERS)
    ]
    if outside or ".." in re.split(r"[/\s=]", word):
        raise Unreadable(
            "paths inside the run's folder only",
            help="files of a tool are named relative to its own folder, ${folder}",
        )


def file_name(value: Any) -> str:
    """A file below the tool's own folder."""
    name = PurePosixPath(text(value))
    if name.is_absolute() or ".." in name.parts or name == PurePosixPath("."):
        raise Unreadable(
            "a file in the tool's own folder",
            help="a path outside the run's folder is refused",
        )
    return str(name)


def role(value: Any) -> str:
    """The name of a part, a host's role, or a variable."""
    if not _ROLE.fullmatch(text(value)):
        raise Unreadable("a short name of a-z, digits and '_'", kind="bad-name")
    return str(value)


def port_and_protocol(value: Any) -> tuple[int, str]:
    """A port as `1194/udp`."""
    found = re.fullmatch(r"(\d{1,5})/(tcp|udp|icmp)", text(value))
    if found is None or not int(found[1]) < 65536:
        raise Unreadable("a port and its protocol, such as 1194/udp")
    return int(found[1]), found[2]


def endpoint(value: Any) -> tuple[str, int]:
    """An address and port: `127.0.0.1:1080`, or only the port of one of the client's.

    A proxy that stands on another host has a variable, `${server_address}:1080`.
    """
    host, _, port = text(value).rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise Unreadable("an address and a port, such as 127.0.0.1:1080")
    return host.strip("[]") or "127.0.0.1", int(port)


def file_hash(value: Any) -> str:
    """A hash as pip's --hash takes it."""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", text(value)):
        raise Unreadable("sha256: and 64 hexadecimal digits")
    return str(value)


def stop_signal(value: Any) -> signal.Signals:
    """A signal by its name."""
    return signal.Signals[choice(*_STOP_SIGNALS)(value)]


Port = Annotated[int, whole_number(1, 65535, "a port")]
Role = Annotated[str, Reads(role)]
Command = Annotated[str, Reads(command)]
FileName = Annotated[str, Reads(file_name)]
Endpoint = Annotated[tuple[str, int], Reads(endpoint)]
Hash = Annotated[str, Reads(file_hash)]
Secret = Annotated[str, word_of("hex", "base64", "uuid")]
StopSignal = Annotated[signal.Signals, Reads(stop_signal, enum=list(_STOP_SIGNALS))]


class PackagesText(Item):
    """What brings the tool's programs, by where it comes from.

    A package of pip may be pinned (`name==1.2`), and `hashes` then say what its files
    must be: `{name: [sha256:...]}`.
    """

    apt: tuple[Words, ...] = ()
    pip: tuple[Words, ...] = ()
    hashes: dict[Words, tuple[Hash, ...]] = Field(default_factory=dict)


class NeedText(Item):
    """A program that the tool needs; with `says`, one whose build says so.

    `asked` is the word that makes it tell of its build. It is asked outside of any
    seal, so no other words are taken. `by_hand` tells how to come by a program that
    no package brings.
    """

    program: Words
    says: Words | None = None
    asked: Annotated[str, word_of("--version", "-version", "version")] = "--version"
    by_hand: Words | None = None

    @classmethod
    def unfold(cls, value: Any) -> Any:
        return {"program": value} if isinstance(value, str) else value


class ReadyText(Item):
    """When a part can be used; all that is given must be so."""

    tcp: Port | None = None
    udp: Port | None = None
    log: Words | None = None
    interface: Words | None = None
    up: Words | None = None

    @classmethod
    def unfold(cls, value: Any) -> Any:
        if value in ({}, ""):
            raise Unreadable("at least one of: tcp, udp, log, interface, up")
        return value


class PartText(Item):
    """One program of the tool: where it runs, and when it is ready.

    `after` names parts that must be ready before it starts; `then` are commands that
    run on its host once it is ready.
    """

    on: Role
    start: Command
    ready: ReadyText
    after: tuple[Role, ...] = ()
    then: tuple[Command, ...] = ()
    stop: StopSignal = signal.SIGTERM
    variables: dict[str, Words] = Field(default_factory=dict)
    within: Seconds | None = None


class CertificateText(Item):
    """A certificate of the lab's authority: `${NAME_certificate}`, `${NAME_key}`."""

    usage: Annotated[str, word_of("server", "client")]
    names: tuple[Words, ...] = ()
    host: Role = "server"

    @classmethod
    def unfold(cls, value: Any) -> Any:
        return {"usage": value} if isinstance(value, str) else value


class ProgramText(Item):
    """A tool that is itself the client: one command for each thing that it can do.

    `fetch` writes the body of `${url}` to its standard output; `resolve` writes the
    addresses of `${name}`. Its exit status and what it complains of say what failed.
    """

    fetch: Command | None = None
    resolve: Command | None = None

    @classmethod
    def unfold(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not {"fetch", "resolve"} & set(value):
            raise WrongShape("a mapping such as {fetch: 'curl ${url}'}")
        return value


class EntersText(Item):
    """How traffic gets into the tool on the client's host; exactly one way.

    With `tun` the host's default route leads into the tunnel, and `exit` (a role) is
    where it comes out; `resolver` says who answers names then: `abroad`, `home`, or
    an address. With `translates: no` each user keeps the tunnel's address behind the
    exit, which must lie in the network that the exit's host stands in. `dns` is a
    resolver for the client, who then goes there directly.
    `transparent` is a port that the client's TCP to the web's ports is led to: what
    the tool itself sends goes free if it goes to the tool's hosts, or bears the mark
    `${mark}` (SO_MARK). `program` is a tool that is the client itself.
    """

    socks5: Endpoint | None = None
    http: Endpoint | None = None
    tun: Words | None = None
    dns: Endpoint | None = None
    transparent: Port | None = None
    program: ProgramText | None = None
    resolver: Words | None = None
    exit: Role = "server"
    translates: Truth = True

    @property
    def kind(self) -> str:
        """The way that it is."""
        return next(key for key in _ENTRIES if getattr(self, key) is not None)

    @classmethod
    def unfold(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise WrongShape("a mapping such as {socks5: 127.0.0.1:1080}")
        given = [key for key in _ENTRIES if key in value]
        if len(given) != 1:
            raise Unreadable(
                f"exactly one of: {', '.join(_ENTRIES)}",
                kind="one-of",
                says="names " + (" and ".join(given) or "no way in"),
            )
        return value


class ToolFile(Item):
    """A tool's file, as it is written.

    `needs` are its programs, and `modules` what its Python programs import.
    `port` is its server's, as seen on the wire. `places` says where in the topology a
    role's host stands, if not where the probe's target is. `run_folders` are folders
    of /run that each host of the tool has for itself: programs that put sockets there
    by fixed names would meet each other otherwise.
    """

    title: Words
    sources: tuple[Words, ...] = ()
    packages: PackagesText = PackagesText()
    needs: tuple[NeedText, ...] = ()
    modules: tuple[Words, ...] = ()
    port: Annotated[tuple[int, str], Reads(port_and_protocol)] | None = None
    places: dict[Role, Words] = Field(default_factory=dict)
    run_folders: tuple[Role, ...] = ()
    random: dict[Role, Secret] = Field(default_factory=dict)
    certificates: dict[Role, CertificateText] = Field(default_factory=dict)
    keys: dict[Role, Command] = Field(default_factory=dict)
    files: dict[FileName, Words] = Field(default_factory=dict)
    parts: dict[Role, PartText] = Field(default_factory=dict)
    enters: EntersText
