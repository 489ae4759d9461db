"""Which packets belong together: the key of a flow, as its first packet gives it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, NamedTuple

TCP, UDP, ICMP, ICMPV6, GRE, ESP = 6, 17, 1, 58, 47, 50  # IANA protocol numbers
PROTOCOL_NAMES = {
    TCP: "tcp",
    UDP: "udp",
    ICMP: "icmp",
    ICMPV6: "icmpv6",
    ESP: "esp",
    GRE: "gre",
}

Ends = tuple[int, bytes, int, bytes, int]
"""Protocol, client, client port, server, server port: a flow's name in the table."""


class FlowKey(NamedTuple):
    """The two ends of a flow; the client is whoever sent the first packet seen.

    Addresses are packed (4 or 16 bytes). Ports are 0 for protocols without them.
    """

    protocol: int
    client: bytes
    client_port: int
    server: bytes
    server_port: int

    def as_json(self) -> dict[str, Any]:
        """The key with addresses as text and the protocol by name."""
        return {
            "protocol": PROTOCOL_NAMES.get(self.protocol, str(self.protocol)),
            "client": str(ip_address(self.client)),
            "client_port": self.client_port,
            "server": str(ip_address(self.server)),
            "server_port": self.server_port,
        }
