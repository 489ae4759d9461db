"""Turns a resolver into an unbound configuration: what it knows, and whom it asks.

Each resolver is the authority for the names of its own place and really recurses to
the resolvers of the other places for theirs, over the lab's network and through its
exchanges; so an answer that an exchange injects lands in a real cache. Any other name
does not exist: nothing is ever asked of a root server. Do53 (RFC 1035), DoT
(RFC 7858) and DoH (RFC 8484) of the same unbound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filterlab.lab.authority import Certificate
from filterlab.lab.endpoint import Socket

DNS_PORT, DOT_PORT, DOH_PORT = 53, 853, 443  # RFC 1035, 7858 section 3.1, 8484
DNS = frozenset({"dns", "dot", "doh"})
_SERVED = (
    ("dns", ("udp", "tcp"), DNS_PORT),
    ("dot", ("tcp",), DOT_PORT),
    ("doh", ("tcp",), DOH_PORT),
)
# unbound tells by the port which protocol an interface speaks.
_PORT_OPTIONS = {"dns": "port", "dot": "tls-port", "doh": "https-port"}
# Short, so that a poisoned cache heals within a phase of a scenario.
TTL_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Zone:
    """One name: where it is, and the resolvers that know it (none: this one does)."""

    name: str
    addresses: tuple[str, ...]
    asked_at: tuple[str, ...] = ()


def zones_of(
    place: str,
    names: Mapping[str, tuple[str, tuple[str, ...]]],
    resolvers: Mapping[str, Sequence[str]],
) -> list[Zone]:
    """What a resolver in `place` knows of all names (name -> place, addresses).

    `resolvers` has the addresses of every place's resolvers; the names of a place
    without one are known to all of them.
    """
    zones = []
    for name, (at, addresses) in names.items():
        asked = () if at == place else tuple(resolvers.get(at, ()))
        zones.append(Zone(name, addresses, asked))
    return zones


def sockets(speaks: Sequence[str], ports: Mapping[str, int]) -> list[Socket]:
    """The sockets on which a resolver listens; `ports` moves some of them."""
    return [
        Socket(spoken, transport, ports.get(spoken, port))
        for spoken, transports, port in _SERVED
        if spoken in speaks
        for transport in transports
    ]


def configuration(
    zones: Sequence[Zone],
    listening: Sequence[Socket],
    addresses: Sequence[str],
    certificate: Certificate,
    ttl_seconds: int = TTL_SECONDS,
) -> str:
    """The text of unbound.conf."""
    lines = [
        *_SERVER,
        f"cache-max-ttl: {ttl_seconds}",
        f"cache-max-negative-ttl: {ttl_seconds}",
        f'tls-service-key: "{certificate.key_file}"',
        f'tls-service-pem: "{certificate.chain_file}"',
        *_interfaces(listening, addresses),
    ]
    for zone in zones:
        lines += _local(zone, ttl_seconds)
    text = "server:\n" + "".join(f"  {line}\n" for line in lines)
    return text + "".join(_stub(zone) for zone in zones if zone.asked_at)


def write_configuration(folder: Path, text: str) -> list[str]:
    """Write it; returns the command that serves it."""
    file = folder / "unbound.conf"
    file.write_text(text)
    return ["unbound", "-d", "-p", "-c", str(file)]


_SERVER = [
    'directory: "."',
    # Single-uid namespaces have nobody to become and nothing to hide in.
    'username: ""',
    'chroot: ""',
    'pidfile: ""',
    "do-daemonize: no",
    "use-syslog: no",
    "verbosity: 1",
    "num-threads: 1",
    "access-control: 0.0.0.0/0 allow",
    "access-control: ::/0 allow",
    # Without the validator there is no key to fetch; with no targets to look up and
    # the root answered here, nobody outside is asked for anything.
    'module-config: "iterator"',
    'target-fetch-policy: "0 0 0 0 0"',
    "qname-minimisation: no",
    'local-zone: "." static',
    # A server that a policy cut off must be asked again as soon as it is back.
    "infra-host-ttl: 1",
    "infra-keep-probing: yes",
    "msg-cache-size: 1m",
    "rrset-cache-size: 2m",
    "outgoing-range: 64",
    "so-rcvbuf: 0",
    "so-sndbuf: 0",
    # DNS Flag Day 2020: the largest answer that no path fragments.
    "edns-buffer-size: 1232",
]


def _interfaces(listening: Sequence[Socket], addresses: Sequence[str]) -> list[str]:
    ports = {one.speaks: one.port for one in listening}
    lines = [f"{_PORT_OPTIONS[spoken]}: {port}" for spoken, port in ports.items()]
    for address in addresses:
        lines += [f"interface: {address}@{port}" for port in ports.values()]
        lines.append(f"outgoing-interface: {address}")
    return lines


def _local(zone: Zone, ttl_seconds: int) -> list[str]:
    if zone.asked_at:
        # Nearer than the root's "no such name": leave this one to recursion.
        return [f'local-zone: "{zone.name}." transparent']
    lines = [f'local-zone: "{zone.name}." static']
    for address in zone.addresses:
        kind = "AAAA" if ":" in address else "A"
        lines.append(f'local-data: "{zone.name}. {ttl_seconds} {kind} {address}"')
    return lines


def _stub(zone: Zone) -> str:
    asked = "".join(f"  stub-addr: {address}\n" for address in zone.asked_at)
    return f'stub-zone:\n  name: "{zone.name}."\n{asked}'
