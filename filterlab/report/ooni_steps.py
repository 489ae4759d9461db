"""Turns a probe's steps into the lists of OONI's test keys.

Formats: github.com/ooni/spec, data-formats/df-001-httpt, df-002-dnst,
df-005-tcpconnect, df-006-tlshandshake, df-008-netevents. What a probe did not keep is
left out where the format lets it, and empty elsewhere: page bodies are not kept (their
length and hash are in `x_filterlab`), of answers' headers only Location.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from filterlab.probes.failure import (
    DNS_MISBEHAVING,
    DNS_NO_ANSWER,
    DNS_REFUSED,
    NXDOMAIN,
    SERVFAIL,
    failure_of,
)
from filterlab.probes.fetch import USER_AGENT
from filterlab.probes.result import ProbeResult, Step

# df-002-dnst, "DNS resolver engines"
_ENGINES = {"udp": "udp", "tcp": "tcp", "tls": "dot", "https": "doh"}
# RFC 1035, section 4.1.1
_OF_RCODE = {0: DNS_NO_ANSWER, 2: SERVFAIL, 3: NXDOMAIN, 5: DNS_REFUSED}
_RCODE = re.compile(r"rcode (\d+)")
_ERRNO = re.compile(r"\[Errno (\d+)\]")
_NO_TOR = {"exit_ip": None, "exit_name": None, "is_tor": False}


def host_of(target: str) -> str:
    """The host in a target: a URL, host:port, or a name."""
    parts = urlsplit(target if "://" in target else f"//{target}")
    return parts.hostname or target


class Story:
    """One attempt, step by step; times count from its beginning."""

    def __init__(self, found: ProbeResult, target: str) -> None:
        self._found = found
        self._target = target
        self._steps = {step.name: step for step in found.steps}
        self._resolver = urlsplit(str(self._detail("dns").get("resolver", "")))

    def _detail(self, name: str) -> dict[str, Any]:
        step = self._steps.get(name)
        return step.detail if step is not None else {}

    def failure_of(self, name: str) -> str | None:
        """How a step failed, if it was made and did."""
        step = self._steps.get(name)
        return step.failure if step is not None else None

    @property
    def resolver_ip(self) -> str:
        """The address of the resolver that was asked, or nothing."""
        return self._resolver.hostname or ""

    @property
    def socks_proxy(self) -> str | None:
        """Where the proxy is that the attempt went through."""
        if "socks" not in self._steps:
            return None
        return next((address for address, _ in self._tcp_ends()), None)

    def _tcp_ends(self) -> Iterator[tuple[str, str]]:
        """Each TCP connection but those to the resolver: host:port, and address."""
        for protocol, _, _, host, port in self._found.endpoints:
            if protocol == "tcp" and host != self.resolver_ip:
                yield _joined(host, port), host

    def queries(self) -> list[dict[str, Any]]:
        """df-002-dnst."""
        step = self._steps.get("dns")
        if step is None:
            return []
        asked = [kind for kind in ("A", "AAAA") if kind in step.detail]
        return [self._query(step, kind) for kind in asked or ("A",)]

    def _query(self, step: Step, kind: str) -> dict[str, Any]:
        found = step.detail.get(kind)
        addresses = found if isinstance(found, list) else []
        query = {
            "answers": [_answer(kind, address) for address in addresses],
            "engine": _ENGINES.get(self._resolver.scheme, "unknown"),
            "failure": step.failure,
            "hostname": host_of(self._target),
            "query_type": kind,
            "resolver_hostname": None,
            "resolver_port": None,
            "resolver_address": self._resolver_address(),
            **_times(step),
        }
        rcode = _RCODE.match(found) if isinstance(found, str) else None
        if rcode is not None:
            code = int(rcode[1])
            query["rcode"] = code
            query["failure"] = _OF_RCODE.get(code, DNS_MISBEHAVING)
        elif addresses:
            query["failure"] = None
        return query

    def _resolver_address(self) -> str:
        """host:port, or for DNS over HTTPS the URL."""
        scheme = self._resolver.scheme
        if scheme == "https":
            return self._resolver.geturl()
        return self._resolver.netloc if scheme else ""

    def tcp_connect(self) -> list[dict[str, Any]]:
        """df-005-tcpconnect."""
        return [
            {
                "ip": event["address"].rpartition(":")[0].strip("[]"),
                "port": int(event["address"].rpartition(":")[2]),
                "status": {
                    "failure": event["failure"],
                    "success": event["failure"] is None,
                },
                "t0": event["t0"],
                "t": event["t"],
            }
            for event in self.network_events()
        ]

    def network_events(self) -> list[dict[str, Any]]:
        """df-008-netevents: the connections; single reads and writes are not kept."""
        step = self._steps.get("tcp") or self._steps.get("socks")
        if step is None:
            return []
        found: list[dict[str, Any]] = []
        for address, host in self._tcp_ends():
            failure = _failure_at(step, host)
            if failure != _NOT_TOLD:
                event = {"operation": "connect", "proto": "tcp", "address": address}
                found.append({**event, "failure": failure, **_times(step), "tags": []})
        return found

    def tls_handshakes(self) -> list[dict[str, Any]]:
        """df-006-tlshandshake; one over QUIC is told by its network."""
        found: list[dict[str, Any]] = []
        for name, network in (("tls", "tcp"), ("quic", "udp")):
            step = self._steps.get(name)
            if step is None:
                continue
            detail = step.detail
            found.append(
                {
                    "network": network,
                    "address": self._address(network),
                    "cipher_suite": detail.get("cipher") or "",
                    "failure": step.failure,
                    "negotiated_protocol": self._alpn(name),
                    "no_tls_verify": False,
                    "peer_certificates": [
                        {"format": "base64", "data": one["der"]}
                        for one in detail.get("certificates", ())
                        if "der" in one
                    ],
                    "server_name": host_of(self._target),
                    **_times(step),
                    "tags": [],
                    "tls_version": detail.get("version") or "",
                }
            )
        return found

    def _alpn(self, name: str) -> str:
        return self._detail(name).get("alpn") or ""

    def _address(self, network: str) -> str:
        """Where the last connection went; the one that spoke, if it is known."""
        spoke = self._detail("tcp" if network == "tcp" else "quic").get("address")
        ends = [
            (_joined(host, port), host)
            for protocol, _, _, host, port in self._found.endpoints
            if protocol == network and host != self.resolver_ip
        ]
        known = [address for address, host in ends if host == spoke]
        return (known or [address for address, _ in ends] or [""])[-1]

    def requests(self) -> list[dict[str, Any]]:
        """df-001-httpt."""
        step = self._steps.get("http")
        if step is None:
            return []
        network = "udp" if "quic" in self._steps else "tcp"
        alpn = self._alpn("quic" if network == "udp" else "tls")
        return [
            {
                "network": network,
                "address": self._address(network),
                **({"alpn": alpn} if alpn else {}),
                "failure": step.failure,
                "request": self._request(network),
                "response": self._response(),
                **_times(step),
            }
        ]

    def _request(self, network: str) -> dict[str, Any]:
        url = self._target
        if "://" not in url:  # a throughput probe names a host
            url = f"http{'s' if 'tls' in self._steps else ''}://{url}/"
        fields = [
            ["Host", urlsplit(url).netloc],
            ["User-Agent", USER_AGENT],
            ["Accept", "*/*"],
        ]
        return {
            "body": "",
            "body_is_truncated": False,
            "headers": dict(fields),
            "headers_list": fields,
            "method": "GET",
            "tor": _NO_TOR,
            "url": url,
            "x_transport": network,
        }

    def _response(self) -> dict[str, Any]:
        location = self._found.location
        fields = [["Location", location]] if location is not None else []
        return {
            "body": "",
            "body_is_truncated": self._found.body_bytes > 0,
            "code": self._found.status or 0,
            "headers": dict(fields),
            "headers_list": fields,
        }


_NOT_TOLD = "not told"


def _failure_at(step: Step, host: str) -> str | None:
    """How one address of a connection step failed; _NOT_TOLD if it came to nothing."""
    connected = step.detail.get("connected") or step.failure is None
    if connected and step.detail.get("address", host) == host:
        return None
    said = step.detail.get("attempts", {}).get(host)
    if said is not None and (number := _ERRNO.match(said)):
        return failure_of(OSError(int(number[1]), said), "tcp")
    return step.failure or _NOT_TOLD


def _times(step: Step) -> dict[str, float]:
    return {"t0": step.started, "t": step.started + step.seconds}


def _answer(kind: str, address: str) -> dict[str, Any]:
    key = "ipv4" if kind == "A" else "ipv6"
    return {"answer_type": kind, key: address, "ttl": None}


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
