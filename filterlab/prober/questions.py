"""What a prober sends to a suspect: one connection each, by the kind looked for.

Sources: OpenVPN: Xue et al., "OpenVPN is Open to VPN Fingerprinting" (USENIX Security
2022), 5.2: a client reset, and the same without its last byte. Shadowsocks: Alice et
al., "How China Detects and Blocks Shadowsocks" (IMC 2020), 3.2: R1 the first payload
again, R2 the same with its first byte changed, NR1 random bytes of lengths around the
thresholds of its ciphers, NR2 221 random bytes. Tor: Winter and Lindskog, "How the
Great Firewall of China is Blocking Tor" (FOCI 2012), 4.4: a TLS connection and a
VERSIONS cell (tor-spec, 4). SOCKS: RFC 1928, 3. HTTP proxies: RFC 9110, 9.3.6; the web
question of Frolov et al., "Detecting Probe-resistant Proxies" (NDSS 2020), table II.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Transport = Literal["tcp", "udp", "tls"]

# In Alice et al. the lengths stand in trios around 8, 12, 16, 22, 33, 41 and 49 bytes:
# one below each threshold and one above tells as much.
SHORT_LENGTHS = (7, 9, 15, 17, 32, 34, 48, 50)
LONG_LENGTH = 221
_HARD_RESET_CLIENT_V2 = 7 << 3  # opcode 7, key 0
# tor-spec, 3 and 4: circuit 0, VERSIONS is 7, three versions of two bytes each.
_TOR_VERSIONS = struct.pack("!HBHHHH", 0, 7, 6, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Question:
    """One connection's worth of bytes, and what to call it."""

    name: str
    data: bytes
    transport: Transport = "tcp"


def questions(
    kind: str, protocol: str, payload: bytes, authority: str
) -> Iterator[Question]:
    """What a prober asks to find out whether a server is of this kind.

    `payload` is what the suspicious client had sent, as far as it is known, and
    `authority` the server's own address and port as a URI has them.
    """
    if protocol == "udp":
        if kind == "openvpn":
            yield Question("openvpn reset", openvpn_reset(), "udp")
        return
    match kind:
        case "openvpn":
            reset = openvpn_reset()
            framed = struct.pack("!H", len(reset)) + reset
            yield Question("openvpn reset", framed)
            yield Question("openvpn reset, short", framed[:-1])
        case "socks":
            yield Question("socks5 greeting", b"\x05\x01\x00")
        case "http-proxy":
            # To the server itself, which it can surely reach.
            request = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
            yield Question("http connect", request.encode())
        case "tor":
            yield Question("tor versions", _TOR_VERSIONS, "tls")
        case "shadowsocks":
            yield from _of_shadowsocks(payload)
        case "silent":
            yield Question("http get", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            yield Question("nothing over tls", b"", "tls")
            yield Question(f"random {LONG_LENGTH}", os.urandom(LONG_LENGTH))


def openvpn_reset() -> bytes:
    """P_CONTROL_HARD_RESET_CLIENT_V2: a session of its own, nothing acknowledged."""
    return struct.pack("!B8sBI", _HARD_RESET_CLIENT_V2, os.urandom(8), 0, 0)


def _of_shadowsocks(payload: bytes) -> Iterator[Question]:
    if payload:
        yield Question("replay", payload)
        changed = bytes([payload[0] ^ 0x55]) + payload[1:]
        yield Question("replay, changed", changed)
    for length in (*SHORT_LENGTHS, LONG_LENGTH):
        yield Question(f"random {length}", os.urandom(length))
