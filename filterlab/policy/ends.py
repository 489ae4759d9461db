"""Which end of a flow's first packet is the client's, and so the flow's name.

The client is whoever sent the first packet seen, unless that is a SYN+ACK or leaves a
well-known port for one that is not.
"""

from __future__ import annotations

from filterlab.inspection.flow import Ends
from filterlab.inspection.flow_table import Flow
from filterlab.inspection.packet import ACK, SYN, Packet

_WELL_KNOWN = 1024  # system ports (RFC 6335, 6)


def is_from_server(packet: Packet) -> bool:
    """Whether the first packet seen of a flow must be the server's."""
    flags = packet.flags & (SYN | ACK)
    if flags == SYN:
        return False
    if flags == SYN | ACK:
        return True
    return packet.src_port < _WELL_KNOWN <= packet.dst_port and packet.src_port > 0


def ends_of(packet: Packet, from_client: bool) -> Ends:
    """The name of the flow that a packet opens."""
    src = packet.src, packet.src_port
    dst = packet.dst, packet.dst_port
    client, server = (src, dst) if from_client else (dst, src)
    return packet.protocol, *client, *server


def is_second_syn(flow: Flow, packet: Packet, from_client: bool) -> bool:
    """Whether a client begins a flow anew, with another number than before.

    One that began with a SYN+ACK of its own, and was taken for a server, does as well.
    """
    if packet.flags & (SYN | ACK) != SYN:
        return False
    if flow.isn is None:
        return not from_client
    return from_client and packet.seq != flow.isn
