"""Turns a web service into a Caddy configuration and the files that it serves.

Every name has one tiny page that says whose it is, so that a page from somebody else
is told from the real one, and large objects to measure throughput with. HTTP/1.1 in
the clear, HTTP/1.1 and HTTP/2 over TLS, HTTP/3 over QUIC; certificates are the lab's,
and Caddy's own ways out (administration, ACME, telemetry) are shut. The
configuration is Caddy's JSON (caddyserver.com/docs/json), which both 2.6 of Debian 12
and the current releases read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterlab.lab.authority import Certificate
from filterlab.lab.endpoint import Socket

Route = dict[str, Any]
HTTP_PORT, HTTPS_PORT = 80, 443  # RFC 9110 section 4.2
WEB = frozenset({"http", "https", "h3", "bulk"})
_PROTOCOLS = {"http": ["h1"], "https": ["h1", "h2"], "h3": ["h3"]}
# What is to be had under /bytes/, by name, in bytes. The largest one lasts seconds at
# the speeds of the lab; the others are for a throttled line, and for a flow that is
# cut off after some 20 kB.
OBJECTS = {"64k": 1 << 16, "1m": 1 << 20, "32m": 32 << 20}
# No compressor of a tool looks back further (zstd's default window is 8 MB, but at
# the levels that tools use 2 MB or less; deflate 32 kB), so it stays incompressible.
_RANDOM_BYTES = 4 << 20
_VISITS = "visits"  # the name of the log of visits, in Caddy's configuration


@dataclass(frozen=True, slots=True)
class LoggedVisit:
    """A request as its server wrote it down: when, from where, for what."""

    at: float  # seconds since 1970, on the machine's clock
    address: str
    port: int
    uri: str


def page(name: str) -> str:
    """The page of the service with this name: title and body say the name."""
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{name}</title></head>\n'
        f"<body><p>This is {name}, as it wants to be read.</p></body></html>\n"
    )


def write_objects(folder: Path) -> None:
    """Make the large objects, once for all services of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    random = os.urandom(_RANDOM_BYTES)
    for name, size in OBJECTS.items():
        whole, rest = divmod(size, len(random))
        with (folder / name).open("wb") as file:
            for _ in range(whole):
                file.write(random)
            file.write(random[:rest])


def routes(
    folder: Path, names: Sequence[str], objects: Path, redirects: str | None = None
) -> list[Route]:
    """What a host answers under each of its names; the first is for all others too."""
    if redirects is not None:
        moved = {"Location": [redirects]}
        answer = {"handler": "static_response", "status_code": 302, "headers": moved}
        return [{"handle": [answer]}]
    first, *more = names
    found: list[Route] = []
    for name in more:
        files = {"handler": "file_server"}
        files["root"] = str(write_site(folder / name, name, objects))
        found.append({"match": [{"host": [name]}], "handle": [files], "terminal": True})
    site = write_site(folder, first, objects)
    return [*found, {"handle": [{"handler": "file_server", "root": str(site)}]}]


def write_site(folder: Path, name: str, objects: Path) -> Path:
    """The files that the service with this name serves; returns their folder."""
    site = folder / "site"
    site.mkdir(parents=True)
    (site / "index.html").write_text(page(name))
    (site / "bytes").symlink_to(objects)
    return site


def sockets(speaks: Sequence[str], ports: Mapping[str, int]) -> list[Socket]:
    """The sockets on which a web service listens; `ports` moves some of them."""
    found = []
    plain, secure = ports.get("http", HTTP_PORT), ports.get("https", HTTPS_PORT)
    if {"http", "bulk"} & set(speaks):
        found.append(Socket("http", "tcp", plain))
    if "https" in speaks:
        found.append(Socket("https", "tcp", secure))
    if "h3" in speaks:
        found.append(Socket("h3", "udp", ports.get("h3", HTTPS_PORT)))
    return found


def configuration(
    folder: Path,
    answers: Sequence[Route],
    listening: Sequence[Socket],
    addresses: Sequence[str],
    certificate: Certificate,
    visits: Path | None = None,
) -> dict[str, Any]:
    """Caddy's configuration for the sockets of a service, on its own addresses.

    It writes each request down into `visits`, if that is given.
    """
    protocols: dict[int, list[str]] = {}
    for one in listening:
        protocols.setdefault(one.port, []).extend(_PROTOCOLS[one.speaks])
    servers = {
        f"port-{port}": _server(addresses, port, spoken, answers)
        for port, spoken in protocols.items()
    }
    if visits is not None:
        for server in servers.values():
            server["logs"] = {"default_logger_name": _VISITS}
    loaded = {
        "certificate": str(certificate.chain_file),
        "key": str(certificate.key_file),
    }
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": _logs(visits)},
        "storage": {"module": "file_system", "root": str(folder / "storage")},
        "apps": {
            "http": {"servers": servers},
            "tls": {"certificates": {"load_files": [loaded]}},
        },
    }


def _logs(visits: Path | None) -> dict[str, Any]:
    if visits is None:
        return {"default": {"level": "WARN"}}
    logger = f"http.log.access.{_VISITS}"
    writer = {"output": "file", "filename": str(visits), "roll": False}
    return {
        "default": {"level": "WARN", "exclude": [logger]},
        _VISITS: {"include": [logger], "writer": writer, "encoder": {"format": "json"}},
    }


def read_visits(log: Path) -> Iterator[LoggedVisit]:
    """What a server wrote down into its log of visits, in its order."""
    for line in log.read_text().splitlines():
        said = json.loads(line)
        asked = said["request"]
        port = int(asked["remote_port"])
        yield LoggedVisit(said["ts"], asked["remote_ip"], port, asked["uri"])


def write_configuration(folder: Path, content: dict[str, Any]) -> list[str]:
    """Write it; returns the command that serves it."""
    file = folder / "caddy.json"
    file.write_text(json.dumps(content, indent=1))
    return ["caddy", "run", "--config", str(file)]


def _server(
    addresses: Sequence[str],
    port: int,
    protocols: list[str],
    answers: Sequence[Route],
) -> dict[str, Any]:
    server: dict[str, Any] = {
        "listen": [socket_name(address, port) for address in addresses],
        "protocols": protocols,
        "automatic_https": {"disable": True},
        "routes": list(answers),
    }
    if protocols != _PROTOCOLS["http"]:
        server["tls_connection_policies"] = [{}]
    return server


def socket_name(address: str, port: int) -> str:
    """Address and port as one word, IPv6 in brackets (RFC 3986 section 3.2.2)."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
