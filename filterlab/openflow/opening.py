"""What a switch is told first: all that stands in its tables whatever the policy is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from filterlab.openflow import tables, wire
from filterlab.openflow.tables import Meter, MeterUnit, Port

_LOG_METER = Meter(
    tables.LOG_METER, tables.LOG_FRAMES_S, tables.LOG_FRAMES_S, MeterUnit.FRAMES
)


def first_messages(ports: Sequence[Port], exempt: Iterable[bytes]) -> Iterator[bytes]:
    """The messages that empty a switch and fill its fixed tables."""
    yield wire.remove_entries(wire.ALL_TABLES)
    yield wire.remove_meter(wire.ALL_METERS)
    yield wire.add_meter(_LOG_METER)
    for entry in (
        *tables.fixed_entries(),
        *tables.forward_entries(ports),
        *tables.guard_entries(ports),
        *tables.exempt_entries(exempt),
    ):
        yield wire.add_entry(entry)
