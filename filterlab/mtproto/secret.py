"""What a proxy's secret says: how its clients' connections look.

None at all: a plain transport. 16 bytes: the obfuscated transport, with the secret
mixed into its keys. `dd` and 16 bytes: with padded frames as well. `ee`, 16 bytes and a
host name: inside what looks like TLS to that host.

Source: core.telegram.org/mtproto/mtproto-transports (transport obfuscation), and the
secrets that TelegramMessenger/MTProxy's README gives its users.
"""

from __future__ import annotations

from dataclasses import dataclass

from filterlab.mtproto.framing import INTERMEDIATE, PADDED

_SIZE = 16
_PADDED, _FAKE_TLS = 0xDD, 0xEE


@dataclass(frozen=True, slots=True)
class Secret:
    """A proxy's secret: its 16 bytes, the framing that goes with it, a cover's name."""

    key: bytes = b""
    tag: bytes = INTERMEDIATE
    cover: str = ""


def read_secret(text: str) -> Secret:
    """A secret as users get it, in hexadecimal; raises ValueError."""
    raw = bytes.fromhex(text)
    if len(raw) in (0, _SIZE):
        return Secret(raw)
    key, rest = raw[1 : 1 + _SIZE], raw[1 + _SIZE :]
    if len(key) == _SIZE and raw[0] == _PADDED and not rest:
        return Secret(key, PADDED)
    if len(key) == _SIZE and raw[0] == _FAKE_TLS and rest:
        return Secret(key, PADDED, rest.decode("ascii"))
    raise ValueError("a secret is 16 bytes, dd and 16, or ee, 16 and a host name")
