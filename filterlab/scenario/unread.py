"""Checks the names in entries that could not be read for another reason.

A probe with a misspelt key is left out of the scenario, and with it every check of what
it names; its author would hear of the unknown client only once the key is mended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from filterlab.scenario import content
from filterlab.scenario.facts import Facts, Layout
from filterlab.scenario.problem import did_you_mean, one_of, quoted
from filterlab.scenario.schema import Scenario
from filterlab.scenario.source import Document, Listing, Path_, Table, Text, spelled

# By section: the keys of an entry that name something, and what.
_NAMING = {
    "services": {"at": "place"},
    "clients": {"at": "place", "resolver": "service"},
    "probes": {"from": "client", "through": "tool", "trusts": "service"},
    "timeline": {"policy": "policy", "exchange": "exchange"},
    "expect": {"probe": "probe"},
}


class UnreadChecks:
    """The entries of one scenario that failed at these paths."""

    def __init__(
        self,
        scenario: Scenario,
        document: Document,
        facts: Facts,
        layout: Layout | None,
        path: Path,
    ) -> None:
        self._document = document
        self._path = path
        known: dict[str, Collection[str] | None] = {
            "client": self._written("clients"),
            "service": [*self._written("services"), *_further_names(scenario)],
            "probe": self._written("probes"),
            "tool": facts.tools,
            "place": None if layout is None else layout.places,
            "exchange": None if layout is None else [*layout.exchanges, "all"],
            "policy": content.policies(path),
        }
        self._known = {what: list(n) for what, n in known.items() if n is not None}

    def run(self, failed: Collection[Path_]) -> None:
        """Complain of each name that names nothing, but where it failed itself."""
        entries = dict.fromkeys(path[:2] for path in failed if len(path) > 2)
        for entry in entries:
            for key, what in _NAMING.get(str(entry[0]), {}).items():
                told = any(path[: len(entry) + 1] == (*entry, key) for path in failed)
                if what in self._known and not told:
                    self._names(entry, key, what)

    def _names(self, entry: Path_, key: str, what: str) -> None:
        names = self._known[what]
        for path, word in self._words((*entry, key)):
            if word in names or self._is_other_name(what, word):
                continue
            self._document.complain(
                f"unknown-{what}",
                path,
                f"{spelled(self._document.known(path))}: there is no {what} "
                f"{quoted(word)}",
                expected=one_of(names),
                help=did_you_mean(word, names),
            )

    def _is_other_name(self, what: str, word: str) -> bool:
        """Whether it is written otherwise than in the list of names."""
        if what == "policy":
            return content.policy(word, self._path) is not None
        # An address, or a URL, is no service's name; the schema knows which.
        plain = word.lower().removesuffix(".")
        return what == "service" and (":" in word or plain in self._known[what])

    def _words(self, path: Path_) -> Iterator[tuple[Path_, str]]:
        entry = self._document.node(path[:-1])
        node = entry.values.get(str(path[-1])) if isinstance(entry, Table) else None
        parts = node.parts if isinstance(node, Listing) else [node]
        for index, part in enumerate(parts):
            if isinstance(part, Text) and part.text:
                steps = (index,) if isinstance(node, Listing) else ()
                yield (*path, *steps), part.text

    def _written(self, section: str) -> list[str]:
        node = self._document.root.values.get(section)
        return list(node.values) if isinstance(node, Table) else []


def _further_names(scenario: Scenario) -> Iterator[str]:
    for service in scenario.services.values():
        yield from service.also
