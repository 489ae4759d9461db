"""When entries end that must end at their moment: the switch counts whole seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from filterlab.openflow.tables import Entry


class Endings:
    """The moments at which entries of one policy are to be taken out."""

    def __init__(self) -> None:
        self._ends: dict[tuple[object, ...], float] = {}

    def put(self, entries: Iterable[Entry], end: float) -> None:
        """Have entries end then, and not earlier, whatever was said before."""
        for entry in entries:
            self._ends[_identity(entry)] = end

    def due(self, entries: Iterable[Entry], end: float) -> Iterator[Entry]:
        """Those that still are to end at this moment.

        A later match may have prolonged one, or a policy ended it.
        """
        for entry in entries:
            if self._ends.get(_identity(entry)) == end:
                del self._ends[_identity(entry)]
                yield entry

    def clear(self) -> None:
        """Their policy is no longer in force."""
        self._ends.clear()


def _identity(entry: Entry) -> tuple[object, ...]:
    return entry.table, entry.priority, *sorted(entry.match.items())
