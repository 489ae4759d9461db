"""Asks for many findings at once, where one of them is enough.

A rule may name hundreds of fields and protocols. What has been found of a flow is
little: so each finding is held against the table of what is wanted, not each condition
against the findings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from filterlab.inspection.flow_table import Flow
from filterlab.inspection.recogniser import Finding

IsWanted = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Wish:
    """A field, the values wanted of it, and the recognisers that may find it."""

    key: str
    is_wanted: IsWanted
    finders: frozenset[str]


class AnyFound:
    """True if any wish is fulfilled; None while one may be. The first finding counts.

    `protocols` say of a protocol's name whether it is wanted, and `cannot` which
    recognisers find none that is.
    """

    __slots__ = ("_cannot", "_known", "_protocols", "_waited", "_wanted")

    def __init__(
        self,
        wishes: Iterable[Wish],
        protocols: list[IsWanted],
        cannot: frozenset[str],
    ) -> None:
        self._wanted: dict[str, list[IsWanted]] = {}
        waited: dict[str, set[str]] = {}  # the fields that a recogniser may yet find
        for wish in wishes:
            self._wanted.setdefault(wish.key, []).append(wish.is_wanted)
            for name in wish.finders:
                waited.setdefault(name, set()).add(wish.key)
        self._waited = waited
        self._protocols = protocols
        self._cannot = cannot
        # Recognisers name a few protocols only.
        self._known: dict[str, bool] = {"": False}

    def __call__(self, flow: Flow) -> bool | None:
        """What is known of the flow."""
        watch = flow.watch
        if watch is None:
            return False
        found = watch.found
        told: set[str] = set()
        if found and self._is_any(found.values(), told):
            return True
        for name in watch.pending:
            if name not in found and self._may_tell(name, told):
                return None
        return False

    def _may_tell(self, name: str, told: set[str]) -> bool:
        """Whether a recogniser may yet find what is wanted, these fields apart."""
        if self._protocols and name not in self._cannot:
            return True
        keys = self._waited.get(name)
        return keys is not None and not keys <= told

    def _is_any(self, found: Iterable[Finding], told: set[str]) -> bool:
        wanted, known = self._wanted, self._known
        for finding in found:
            protocol, fields = finding.protocol, finding.fields
            if known.get(protocol, True) and self._is_protocol(protocol):
                return True
            for key in fields:
                if key in wanted and key not in told:
                    told.add(key)
                    for wish in wanted[key]:
                        if True in map(wish, fields[key]):
                            return True
        return False

    def _is_protocol(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            known = any(is_wanted(name) for is_wanted in self._protocols)
            self._known[name] = known
        return known
