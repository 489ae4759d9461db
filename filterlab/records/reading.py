"""What a provider's log says of a connection, from what its recognisers found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from filterlab.records.questions import TUNNELS

Hidden = Literal["ech", "tunnel", "encrypted", "no name"]

# In the order of what says most about the page: the host that was asked for, the name
# in a handshake, the name in a question.
_NAMES = ("http.host", "tls.sni", "dtls.sni", "dns.qry.name")
# Protocols whose clear openings hold a name, or hold none by their nature.
_READABLE = frozenset({"dns", "http", "ntp", "quic", "stun", "tls", "dtls"})


@dataclass(frozen=True, slots=True)
class Reading:
    """The site's name as far as it shows, the protocol, and what hides the rest."""

    site_name: str | None
    protocol: str | None
    hidden: Hidden | None


def read(finding: Mapping[str, str]) -> Reading:
    """The reading of a connection's findings (policy keys to values)."""
    name = next((finding[key] for key in _NAMES if finding.get(key)), None)
    if name is not None:
        name = name.split(",")[0]
    protocols = [one for one in finding.get("protocol", "").split(",") if one]
    tunnel = next((one for one in protocols if one in TUNNELS), None)
    protocol = tunnel or next(iter(protocols), None)
    if tunnel is not None:
        return Reading(name, protocol, "tunnel")
    if finding.get("tls.ech") == "yes":
        return Reading(name, protocol, "ech")
    if name is None and protocol in _READABLE and protocol not in ("ntp", "stun"):
        return Reading(None, protocol, "no name")
    if name is None and protocol not in _READABLE:
        return Reading(None, protocol, "encrypted" if finding else None)
    return Reading(name, protocol, None)
