"""Has the switch count each connection by itself, from its first packet on.

A packet that no entry counts yet goes to the controller (a copy of it; its way goes on
as ever), and by the same entry the switch learns two: one for each direction of the
connection. They count what meets them and decide nothing; when they go, the switch says
what they have counted.

Entries that the controller adds for the same purpose would not do. Open vSwitch counts
by flows of its own datapath, and credits what met one since it last looked to whatever
entry then stands behind it: packets that were counted by the controller would be
counted again. A learnt entry is there before the flow in the datapath is.
Source: ovs-actions(7), learn and resubmit; Open vSwitch, ofproto-dpif-upcall.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from filterlab.inspection.flow import TCP, UDP
from filterlab.openflow.tables import CONTROLLER, IPV4, IPV6, Entry, Learn, Table

# Learnt entries have it; those that learn have none, so that both can be told apart.
LEARNT_COOKIE = 1 << 63
_PRIORITY = 100
# After a FIN or RST: longer than what a closing connection still has to say.
_CLOSED_SECONDS = 5
_PORTS = {TCP: "tcp", UDP: "udp"}


def learning_entries(idle_seconds: int) -> Iterator[Entry]:
    """The entries that begin to count a connection, which ends when it is idle."""
    for eth_type in (IPV4, IPV6):
        for protocol in (TCP, UDP, None):
            match = {"eth_type": eth_type}
            if protocol is not None:
                match["ip_proto"] = protocol
            yield Entry(
                Table.COUNT,
                0 if protocol is None else 1,
                match,
                outputs=(CONTROLLER,),
                learns=tuple(
                    Learn(
                        Table.COUNT,
                        _PRIORITY,
                        LEARNT_COOKIE,
                        idle_seconds,
                        min(idle_seconds, _CLOSED_SECONDS),
                        eth_type,
                        protocol,
                        _PORTS.get(protocol or 0),
                        back,
                    )
                    for back in (False, True)
                ),
            )
