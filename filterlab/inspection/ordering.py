"""Puts both directions of a flow in order, as carefully as a plan says.

A million flows may have said nothing but their SYN: until a stream has data it is the
number of its first byte, and no object.
"""

from __future__ import annotations

from filterlab.inspection.packet import ACK, SYN, Packet
from filterlab.inspection.plan import Plan
from filterlab.inspection.stream import InOrder, Reassembly, distance

_MASK = 0xFFFFFFFF
Segment = tuple[int, int, int]
"""Of a TCP segment: sequence and acknowledgement numbers, and flags."""
_Stream = InOrder | Reassembly | int


class Ordering:
    """The streams of one flow."""

    __slots__ = ("_plan", "_server_sent", "_to_client", "_to_server")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # A stream is a number while nothing but its SYN has been seen.
        self._to_server: _Stream | None = None
        self._to_client: _Stream | None = None
        self._server_sent: int | None = None  # what the client can acknowledge

    def restart(self, from_client: bool, seq: int) -> None:
        """Take one end's stream up again at this sequence number."""
        stream = self._to_server if from_client else self._to_client
        if not isinstance(stream, InOrder | Reassembly):
            if not self._plan.ordered:
                return
            stream = self._new_stream(from_client)
        stream.restart(seq)

    def server_expects(self) -> int | None:
        """The next sequence number of the client's stream, where it is followed."""
        stream = self._to_server
        if stream is None or isinstance(stream, int):
            return stream
        return stream.next_seq

    def _acknowledges(self, packet: Packet, from_client: bool) -> bool:
        """Whether the server would take a packet by what it acknowledges.

        A segment without ACK is dropped, and so is one that acknowledges what has not
        been sent (RFC 9293, 3.10.7.4); a SYN with data is another matter (RFC 7413).
        """
        flags, sent = packet.flags, self._server_sent
        if from_client:
            if flags & SYN:
                return True
            if not flags & ACK:
                return False
            if sent is None or sent == packet.ack:
                return True
            return distance(sent, packet.ack) <= 1  # its FIN, unseen
        end = packet.next_seq
        if sent is None or distance(sent, end) > 0:
            self._server_sent = end
        return True

    def _in_order(self, packet: Packet, from_client: bool, data: bytes) -> bytes:
        stream = self._to_server if from_client else self._to_client
        seq, opens = packet.seq, packet.flags & SYN
        if opens:
            seq = (seq + 1) & _MASK
        if stream is None or isinstance(stream, int):
            if not data and not opens:
                return b""
            if stream is None and not data:
                self._keep(from_client, seq)
                return b""
            stream = self._new_stream(from_client)
        if opens:
            stream.begin(seq)
            data = data if self._plan.syn_data else b""
        return stream.push(seq, data) if data else b""

    def _goes_on(self, from_client: bool, size: int, segment: Segment) -> bool:
        """Take a segment that is just the next of its stream; false if it is not."""
        seq, ack, flags = segment
        stream = self._to_server if from_client else self._to_client
        if stream is None or isinstance(stream, int):
            return False
        if stream.next_seq != seq or stream.holds:
            return False
        end = (seq + size) & _MASK
        if self._plan.checks_ack:
            sent = self._server_sent
            if not from_client:
                if sent is None or distance(sent, end) > 0:
                    self._server_sent = end
            elif not flags & ACK or (sent is not None and sent != ack):
                return False
        stream.next_seq = end
        return True

    def _keep(self, from_client: bool, stream: _Stream) -> None:
        if from_client:
            self._to_server = stream
        else:
            self._to_client = stream

    def _new_stream(self, from_client: bool) -> InOrder | Reassembly:
        plan = self._plan
        stream = (
            InOrder()
            if plan.piecewise or not plan.holds_early
            else Reassembly(plan.inspect_bytes, plan.last_wins)
        )
        begun = self._to_server if from_client else self._to_client
        if isinstance(begun, int):
            stream.begin(begun)
        self._keep(from_client, stream)
        return stream
