"""nDPI as one more recogniser, where there is one: what a signature set would say.

    recognisers:
      ndpi: {ndpi: yes, packets: 16}
    rules:
      - {when: {protocol: [ndpi.openvpn, ndpi.wireguard]}, then: drop}

Its names are prefixed by the recogniser's, so that a rule says whose word it takes.
Debian's package is libndpi4.2; the structures below are those of nDPI 4.2's
ndpi_typedefs.h, and no other version is taken. LGPL-3.0; loaded, never copied.
"""

from __future__ import annotations

import ctypes
from ctypes.util import find_library
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.packet import Packet
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Observer,
    Reading,
)

VERSION = "4.2"
_LIBRARY = f"libndpi.so.{VERSION}"
_MASK_WORDS = 16  # NDPI_NUM_BITS of 512 (ndpi_define.h), in words of 32


class _Protocol(ctypes.Structure):
    """ndpi_protocol: what carries it, what it is, and of which category."""

    _fields_: ClassVar = [
        ("master", ctypes.c_uint16),
        ("app", ctypes.c_uint16),
        ("category", ctypes.c_int),
    ]


def library() -> Path | None:
    """The library's file name, if this machine can load it."""
    try:
        ctypes.PyDLL(_LIBRARY)
    except OSError:
        return None
    return Path(_LIBRARY)


def lacks() -> str:
    """What is missing, and what brings it."""
    other = find_library("ndpi")
    if other is not None:
        return f"needs nDPI {VERSION}, and there is {other}"
    return f"needs nDPI {VERSION}: apt-get install libndpi{VERSION}"


class _Detector:
    """nDPI with every dissector on; one for all flows of this process."""

    def __init__(self) -> None:
        # PyDLL keeps the interpreter's lock: nDPI must not run twice at a time.
        ndpi = self._ndpi = ctypes.PyDLL(_LIBRARY)
        pointer, flow = ctypes.c_void_p, ctypes.c_char_p
        ndpi.ndpi_init_detection_module.restype = pointer
        ndpi.ndpi_get_proto_name.restype = ctypes.c_char_p
        ndpi.ndpi_get_proto_name.argtypes = [pointer, ctypes.c_uint16]
        process = ndpi.ndpi_detection_process_packet
        process.restype = _Protocol
        process.argtypes = [pointer, flow, flow, ctypes.c_ushort, ctypes.c_uint64]
        give_up = ndpi.ndpi_detection_giveup
        give_up.restype = _Protocol
        guessed = ctypes.POINTER(ctypes.c_uint8)
        give_up.argtypes = [pointer, flow, ctypes.c_uint8, guessed]
        ndpi.ndpi_free_flow_data.argtypes = [flow]
        self._module = pointer(ndpi.ndpi_init_detection_module(0))
        everything = (ctypes.c_uint32 * _MASK_WORDS)(*[0xFFFFFFFF] * _MASK_WORDS)
        ndpi.ndpi_set_protocol_detection_bitmask2(
            self._module, ctypes.byref(everything)
        )
        ndpi.ndpi_finalize_initialization(self._module)
        self._flow_bytes = ndpi.ndpi_detection_get_sizeof_ndpi_flow_struct()

    def new_flow(self) -> Any:
        """The memory that nDPI keeps a flow in."""
        return ctypes.create_string_buffer(self._flow_bytes)

    def process(self, flow: Any, packet: bytes, now: float) -> str | None:
        """Give it an IP packet; the protocol's name once it is known."""
        found = self._ndpi.ndpi_detection_process_packet(
            self._module, flow, packet, len(packet), int(now * 1000)
        )
        return self._name(found)

    def give_up(self, flow: Any) -> str | None:
        """What it takes a flow for after all, without guessing by port."""
        guessed = ctypes.c_uint8()
        found = self._ndpi.ndpi_detection_giveup(
            self._module, flow, 0, ctypes.byref(guessed)
        )
        return self._name(found)

    def free(self, flow: Any) -> None:
        """Let go of what it kept of a flow."""
        self._ndpi.ndpi_free_flow_data(flow)

    def _name(self, found: _Protocol) -> str | None:
        number = found.app or found.master  # 0 is unknown
        if not number:
            return None
        name: bytes = self._ndpi.ndpi_get_proto_name(self._module, number)
        return name.decode("ascii", "replace").lower()


@cache
def _detector() -> _Detector:
    return _Detector()


def recogniser(own_name: str, most_packets: int) -> type[Observer]:
    """The recogniser, under the name that a policy gives it."""

    class Ndpi(_Ndpi):
        """nDPI, a signature set of others."""

        name: ClassVar[str] = own_name
        byte_limit: ClassVar[int] = 65_535 * most_packets
        packets: ClassVar[int] = most_packets

    return Ndpi


class _Ndpi:
    """Gives nDPI a flow's packets until it knows, or has seen enough."""

    name: ClassVar[str] = ""
    transports: ClassVar[frozenset[int]] = frozenset((TCP, UDP))
    byte_limit: ClassVar[int] = 0
    each_message: ClassVar[bool] = False
    source: ClassVar[str] = f"nDPI {VERSION}"
    false_positives: ClassVar[str] = "nDPI's own; mKCP is RTP to some of its versions"
    packets: ClassVar[int] = 0

    def __init__(self, transport: int, reading: Reading) -> None:
        self._detector = _detector()
        self._flow = self._detector.new_flow()
        self._seen = 0

    def __del__(self) -> None:
        if hasattr(self, "_flow"):
            self._detector.free(self._flow)

    def observe(
        self, packet: Packet, from_client: bool, now: float
    ) -> Finding | Answer:
        """Take the next packet."""
        self._seen += 1
        raw = packet.frame[packet.network : packet.end]
        name = self._detector.process(self._flow, raw, now)
        # TLS alone may yet become what is in it: its first word is not its last.
        if name is not None and name not in ("tls", "quic", "dns", "http"):
            return self._found(name)
        return NEED_DATA if self._seen < self.packets else self.conclude()

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """nDPI reads packets, with their headers."""
        return NOT_MINE

    def conclude(self) -> Finding | Answer:
        """What it says in the end."""
        name = self._detector.give_up(self._flow) if self._seen else None
        return self._found(name) if name else NOT_MINE

    def _found(self, name: str) -> Finding:
        return Finding(f"{self.name}.{name}", {})
