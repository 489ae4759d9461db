"""Writes every frame of some interfaces into pcapng files, as a process of its own.

Frames come through a memory-mapped ring that the kernel fills (packet(7),
PACKET_RX_RING; linux/if_packet.h, TPACKET_V2), because a ring's size is not bound by
net.core.rmem_max, which a rootless process cannot lift: a burst that Python is too
slow for waits there and is not lost. What is lost all the same is counted.

It is started by path with `python -I -S` and imports the standard library only, so
that it captures within milliseconds. Arguments: FILE SNAPLEN INTERFACE..., groups
parted by "--". Each FILE has its section and interface blocks already. Prints
"capturing" when every ring is open, reads its end from stdin, and then prints one
JSON line: {"FILE": [frames, dropped, bytes], ...}.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import select
import socket
import struct
import sys

# linux/if_packet.h and linux/if_ether.h
SOL_PACKET, RX_RING, STATISTICS, COPY_THRESH, VERSION = 263, 5, 6, 7, 10
TPACKET_V2 = 1
ETH_P_ALL = 3
STATUS_USER, STATUS_COPY, STATUS_VLAN = 1, 2, 16
PACKET_OUTGOING = 4
HEADER = struct.Struct("=IIIHHIIHH")  # struct tpacket2_hdr, without its padding
STATUS = struct.Struct("=I")
LINK_TYPE_AT = 32 + 10  # sll_pkttype, in the sockaddr_ll after the aligned header
ROOM = 128  # header, address and alignment before the frame, rounded up
RING_BYTES = 32 << 20  # about 16,000 frames of 1,500 bytes: 0.2 s at 1 Gbit/s
SIOCGIFMTU = 0x8921
# EPB: type, length, interface, time high and low, captured and original length;
# behind the data the epb_flags option, the end of options, and the length again.
EPB = struct.Struct("<IIIIIII")
TAIL = struct.Struct("<HHIII")
EPB_BYTES = EPB.size + TAIL.size
PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class Ring:
    """The kernel's ring of one interface, read slot after slot."""

    def __init__(self, interface: str, number: int, snap_bytes: int) -> None:
        self.number = number
        self.snap_bytes = snap_bytes
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        request = struct.pack("16si", interface.encode(), 0)
        answer = fcntl.ioctl(self.socket, SIOCGIFMTU, request)
        mtu = struct.unpack_from("i", answer, 16)[0]
        self.slot_bytes = 1 << (mtu + ROOM - 1).bit_length()
        self.slots = max(RING_BYTES // self.slot_bytes, 64)
        block = max(self.slot_bytes, 1 << 16)
        size = self.slot_bytes * self.slots
        self.socket.setsockopt(SOL_PACKET, VERSION, TPACKET_V2)
        # A frame longer than its slot (an offload left on) also comes whole by recv.
        self.socket.setsockopt(SOL_PACKET, COPY_THRESH, 1)
        self.socket.setsockopt(
            SOL_PACKET,
            RX_RING,
            struct.pack("IIII", block, size // block, self.slot_bytes, self.slots),
        )
        self.memory = mmap.mmap(self.socket.fileno(), size)
        self.next = 0
        self.socket.bind((interface, ETH_P_ALL))

    def blocks(self, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` waiting frames, as (nanoseconds, packet block)."""
        memory, size = self.memory, self.slot_bytes
        found: list[tuple[int, bytes]] = []
        while len(found) < limit:
            at = self.next * size
            header = HEADER.unpack_from(memory, at)
            if not header[0] & STATUS_USER:
                break
            found.append(self._block(at, header))
            STATUS.pack_into(memory, at, 0)
            self.next = (self.next + 1) % self.slots
        return found

    def _block(self, at: int, header: tuple[int, ...]) -> tuple[int, bytes]:
        status, length, kept, mac, _, seconds, nanoseconds, vlan, protocol = header
        start = at + mac
        data = self.memory[start : start + kept]
        if status & STATUS_COPY:
            data = self.socket.recv(length)
        if status & STATUS_VLAN:  # the kernel takes the tag out (802.1Q, 9.3)
            data = data[:12] + struct.pack("!HH", protocol or 0x8100, vlan) + data[12:]
            length += 4
        if self.snap_bytes:
            data = data[: self.snap_bytes]
        kept = len(data)
        ticks = seconds * 1_000_000_000 + nanoseconds
        outgoing = self.memory[at + LINK_TYPE_AT] == PACKET_OUTGOING
        padding = PADDING[kept & 3]
        size = EPB_BYTES + kept + len(padding)
        head = EPB.pack(
            6, size, self.number, ticks >> 32, ticks & 0xFFFFFFFF, kept, length
        )
        tail = TAIL.pack(2, 4, 2 if outgoing else 1, 0, size)
        return ticks, head + data + padding + tail

    def dropped(self) -> int:
        """Frames that the kernel had no room for since the last call."""
        counts = self.socket.getsockopt(SOL_PACKET, STATISTICS, 8)
        return int(struct.unpack("II", counts)[1])


class Output:
    """One file, and the rings whose frames go into it."""

    def __init__(self, path: str, snap_bytes: int, interfaces: list[str]) -> None:
        self.path = path
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND)
        self.rings = [Ring(n, i, snap_bytes) for i, n in enumerate(interfaces)]
        self.frames = 0

    def take(self) -> int:
        """Writes what is waiting (at most 1,024 frames a ring) and counts it."""
        found = [pair for ring in self.rings for pair in ring.blocks(1024)]
        if len(self.rings) > 1:
            found.sort(key=lambda pair: pair[0])
        if found:
            waiting = memoryview(b"".join([block for _, block in found]))
            while waiting:
                waiting = waiting[os.write(self.file, waiting) :]
        self.frames += len(found)
        return len(found)

    def summary(self) -> list[int]:
        """Frames written, frames dropped, bytes of the file."""
        dropped = sum(ring.dropped() for ring in self.rings)
        return [self.frames, dropped, os.fstat(self.file).st_size]


def outputs(arguments: list[str]) -> list[Output]:
    """The files that the arguments name, with their rings open."""
    groups: list[list[str]] = [[]]
    for argument in arguments:
        if argument == "--":
            groups.append([])
        else:
            groups[-1].append(argument)
    return [Output(group[0], int(group[1]), group[2:]) for group in groups if group]


def record(files: list[Output]) -> None:
    """Writes frames until stdin ends, then what the rings still hold."""
    poll = select.epoll()
    poll.register(0, select.EPOLLIN | select.EPOLLHUP)
    owners = {ring.socket.fileno(): (out, ring) for out in files for ring in out.rings}
    for descriptor in owners:
        poll.register(descriptor, select.EPOLLIN)
    ended = False
    while not ended:
        for descriptor, events in poll.poll():
            if descriptor == 0:
                ended = True
                continue
            out, ring = owners[descriptor]
            out.take()
            if events & select.EPOLLERR:  # the interface went down: not our end
                ring.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    for out in files:
        while out.take():
            pass


def main() -> None:
    """Captures as the arguments say."""
    files = outputs(sys.argv[1:])
    print("capturing", flush=True)
    record(files)
    print(json.dumps({out.path: out.summary() for out in files}), flush=True)


if __name__ == "__main__":
    main()
