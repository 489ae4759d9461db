"""Recognises OpenVPN by the reset that opens its control channel.

A message is an opcode (5 bits) and a key id (3 bits), the sender's session id (8
bytes), and then, depending on how the control channel is wrapped:

- plain: number of acknowledgements (0 in a client's reset), message id (0): 14 bytes;
- tls-auth: HMAC (16 to 64 bytes), replay id, time, and then as plain: 22 bytes + HMAC;
- tls-crypt: replay id, time, a tag of 32 bytes, 5 encrypted bytes: 54 bytes;
- tls-crypt-v2: the same, and the client's wrapped key with its length at the end.

A reset of any other make-up counts once the server's own reset echoes the client's
session id. Over TCP a length of two bytes goes before each message.

Source: OpenVPN protocol documentation (openvpn.net/community-docs/openvpn-protocol) and
doc/tls-crypt-v2.txt of OpenVPN 2.6; Xue et al., "OpenVPN is Open to VPN
Fingerprinting" (USENIX Security 2022), section 5 (opcodes, packet lengths).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.opening import Opening
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Reading,
)

# P_CONTROL_HARD_RESET_CLIENT_V1, _V2, _V3 and _SERVER_V1, _V2
_CLIENT_RESETS, _SERVER_RESETS = (1, 7, 10), (2, 8)
_DATA = (6, 9)  # P_DATA_V1 and _V2
_CLIENT_FIRST = tuple(opcode << 3 for opcode in _CLIENT_RESETS)  # and key id 0
_CLIENT_V3 = 10  # with tls-crypt-v2
_SESSION_END = 9  # opcode and session id
_PLAIN_BYTES = 14
_HMACS = (16, 20, 28, 32, 48, 64)  # MD5, SHA1 (the default), SHA224 to SHA512
_TLS_CRYPT_BYTES = 54
# Replay ids begin at 1; a client of 2.6 that can do early negotiation adds this.
_EARLY_NEGOTIATION = 0x0F000000
_RESENT = 16  # a reset that is sent again counts its replay id on
_LENGTH_BYTES = 2
_LONGEST = 1100  # tls-crypt-v2: a wrapped key has 1,024 bytes at most


class OpenVpn:
    """Finds the client's reset, and how the control channel is wrapped."""

    name: ClassVar[str] = "openvpn"
    protocols: ClassVar[frozenset[str]] = frozenset(("openvpn",))
    transports: ClassVar[frozenset[int]] = frozenset((TCP, UDP))
    byte_limit: ClassVar[int] = 2 * (_LENGTH_BYTES + _LONGEST)
    each_message: ClassVar[bool] = False
    opening: ClassVar[Mapping[int, Opening]] = {
        TCP: Opening((range(5), None, _CLIENT_FIRST), (), whole=3),
        UDP: Opening((_CLIENT_FIRST,), least=_PLAIN_BYTES),
    }
    source: ClassVar[str] = (
        "OpenVPN protocol documentation, packet format; Xue et al., USENIX Security "
        "2022, section 5"
    )
    false_positives: ClassVar[str] = (
        "random first packets of the same length: 1 in 10^13 as plain, 1 in 10^19 as "
        "tls-auth, 1 in 10^10 as tls-crypt; misses the XOR patch, --secret (no control "
        "channel) and a flow whose first packets were not seen"
    )

    __slots__ = ("_held", "_over_tcp", "_reset", "_session")

    def __init__(self, transport: int, reading: Reading) -> None:
        self._over_tcp = transport == TCP
        self._held = {direction: bytearray() for direction in Direction}
        self._session: bytes | None = None  # the client's, once its reset was seen
        self._reset = 0

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Take the next bytes; over UDP, one datagram."""
        if not self._over_tcp:
            return self._message(direction, data)
        held = self._held[direction]
        held += data[: _LENGTH_BYTES + _LONGEST - len(held)]
        if len(held) <= _LENGTH_BYTES:
            return NEED_DATA
        length = held[0] << 8 | held[1]
        if not self._may_open(direction, held[_LENGTH_BYTES], length):
            return NOT_MINE
        if len(held) < _LENGTH_BYTES + length:
            return NEED_DATA
        message = bytes(held[_LENGTH_BYTES : _LENGTH_BYTES + length])
        del held[: _LENGTH_BYTES + length]
        return self._message(direction, message)

    def conclude(self) -> Finding | Answer:
        """A reset that nobody answered says too little."""
        return NOT_MINE

    @staticmethod
    def carries_data(payload: bytes, over_tcp: bool) -> bool:
        """Whether a packet begins with a message of the data channel."""
        opcode = payload[_LENGTH_BYTES:][:1] if over_tcp else payload[:1]
        return bool(opcode) and opcode[0] >> 3 in _DATA

    def _may_open(self, direction: Direction, first: int, length: int) -> bool:
        wanted = _SERVER_RESETS if direction is Direction.TO_CLIENT else _CLIENT_RESETS
        return (
            _PLAIN_BYTES <= length <= _LONGEST
            and first & 7 == 0
            and first >> 3 in wanted
        )

    def _message(self, direction: Direction, message: bytes) -> Finding | Answer:
        if not message or not self._may_open(direction, message[0], len(message)):
            return NOT_MINE
        if direction is Direction.TO_CLIENT:
            return self._answer(message)
        self._reset = message[0] >> 3
        self._session = message[1:_SESSION_END]
        if self._session == bytes(8):
            return NOT_MINE
        wrapping = _wrapping(message)
        return NEED_DATA if wrapping is None else self._found(wrapping)

    def _answer(self, message: bytes) -> Finding | Answer:
        """The server's reset: does it echo the client's session id?"""
        if self._session is None or self._session not in message[_SESSION_END:]:
            return NOT_MINE
        return self._found("other")

    def _found(self, wrapping: str) -> Finding:
        fields = {
            "openvpn.opcode": (str(self._reset),),
            "openvpn.wrapping": (wrapping,),
        }
        return Finding("openvpn", fields)


def _wrapping(reset: bytes) -> str | None:
    """How a client's reset is wrapped; None if that cannot be told."""
    size = len(reset)
    if size == _PLAIN_BYTES:
        return "plain" if reset[_SESSION_END:] == bytes(5) else None
    for hmac in _HMACS:
        at = _SESSION_END + hmac
        if size == _PLAIN_BYTES + hmac + 8 and reset[at + 8 :] == bytes(5):
            return "tls-auth" if _is_replay_id(reset[at : at + 4]) else None
    if size < _TLS_CRYPT_BYTES or not _is_replay_id(reset[_SESSION_END:13]):
        return None
    if size == _TLS_CRYPT_BYTES:
        return "tls-crypt"
    wrapped_key = int.from_bytes(reset[-2:], "big")
    is_v2 = reset[0] >> 3 == _CLIENT_V3 and wrapped_key == size - _TLS_CRYPT_BYTES
    return "tls-crypt-v2" if is_v2 else None


def _is_replay_id(raw: bytes) -> bool:
    number = int.from_bytes(raw, "big")
    return 1 <= number <= _RESENT or 1 <= number - _EARLY_NEGOTIATION <= _RESENT
