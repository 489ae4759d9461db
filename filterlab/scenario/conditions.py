"""Reads a rule's `when` into conditions over the fields that recognisers find.

Keys are those of `filterlab.inspection.fields`; several keys in one mapping must all
hold, several values of one key are alternatives. `any`, `all` and `not` join them.
A long list comes from a file, one value a line, `#` begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path

from filterlab.inspection.catalogue import PROTOCOLS
from filterlab.inspection.fields import FIELDS, Field, Kind
from filterlab.policy.matching import ROOT, matches_text
from filterlab.policy.rules import (
    AllOf,
    AnyOf,
    Condition,
    Match,
    Names,
    Networks,
    Not,
    Numbers,
    Texts,
    Wanted,
)
from filterlab.scenario import values
from filterlab.scenario.problem import BadInput, did_you_mean, one_of, quoted
from filterlab.scenario.source import (
    Document,
    Listing,
    Path_,
    Table,
    Text,
    read_text,
    spelled,
)
from filterlab.scenario.values import Unreadable

MAX_LIST_BYTES = 64_000_000  # about two million names; the largest lists have fewer
_JOINTS = ("any", "all", "not")
# A line that is a name beyond doubt; anything else is read, and refused, by itself.
_PLAIN_NAME = re.compile(
    r"^(?:\*\.)?(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$", re.MULTILINE | re.ASCII
)
_ODD_IN_NAMES = ("-.", ".-", "\n-", "-\n", "\r")
_NAME_MOST = 253  # RFC 1035, 2.3.4, without the length and the root


class ConditionReader:
    """Reads the conditions of one policy file."""

    def __init__(self, document: Document, folder: Path) -> None:
        self._document = document
        self._folder = folder

    def read(self, path: Path_) -> Condition | None:
        """The condition at a path; None where problems were noted instead."""
        node = self._document.node(path)
        if not isinstance(node, Table):
            self._wrong_shape(path, "a mapping of fields to values")
            return None
        parts = []
        for key in node.values:
            if key.startswith("x-"):
                continue
            part = self._part(key, (*path, key))
            if part is not None:
                parts.append(part)
        if not node.values:
            self._wrong_shape(
                path, "at least one field; leave 'when' out for every frame"
            )
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _part(self, key: str, path: Path_) -> Condition | None:
        if key == "not":
            part = self.read(path)
            return None if part is None else Not(part)
        if key in _JOINTS:
            return self._joined(key, path)
        if key not in FIELDS:
            keys = dict.fromkeys(field.key for field in FIELDS.values())
            self._document.complain(
                "unknown-field",
                path,
                f"{spelled(path[:-1])} has no key {quoted(key)}",
                on_key=True,
                expected=one_of([*_JOINTS, *keys]),
                help=did_you_mean(key, [*FIELDS, *_JOINTS]),
            )
            return None
        wanted = self._wanted(FIELDS[key], path)
        return None if wanted is None else Match(FIELDS[key].key, wanted)

    def _joined(self, key: str, path: Path_) -> Condition | None:
        node = self._document.node(path)
        if not isinstance(node, Listing) or not node.parts:
            self._wrong_shape(path, "a list of conditions")
            return None
        parts = [self.read((*path, index)) for index in range(len(node.parts))]
        sound = tuple(part for part in parts if part is not None)
        if len(sound) < len(parts):
            return None
        return AnyOf(sound) if key == "any" else AllOf(sound)

    def _wanted(self, field: Field, path: Path_) -> Wanted | None:
        node = self._document.node(path)
        before = len(self._document.problems)
        if isinstance(node, Table):
            return self._from_file(field, path, node)
        written: list[tuple[Path_, str]] = []
        if isinstance(node, Text):
            written.append((path, node.text))
        else:
            for index, part in enumerate(node.parts):
                if isinstance(part, Text):
                    written.append(((*path, index), part.text))
                else:
                    self._wrong_shape((*path, index), f"one {field.kind}")
            if not node.parts:
                self._wrong_shape(path, f"at least one {field.kind}")
        gathered = Gathered(field)
        for place, value in written:
            try:
                self._known_protocol(field, value)
                gathered.add(value)
            except Unreadable as why:
                self._document.complain(
                    "bad-value",
                    place,
                    f"{spelled(place)} is {quoted(value) if value else 'empty'}",
                    expected=why.expected,
                    help=why.help,
                )
        return None if len(self._document.problems) > before else gathered.wanted()

    def _known_protocol(self, field: Field, value: str) -> None:
        """Refuse what no recogniser says; one of the user's own may say anything."""
        if field.key != "protocol" or "recognisers" in self._document.root.values:
            return
        if not any(map(matches_text(Texts((value,))), PROTOCOLS)):
            raise Unreadable(one_of(PROTOCOLS), did_you_mean(value, PROTOCOLS))

    def _from_file(self, field: Field, path: Path_, node: Table) -> Wanted | None:
        file = node.values.get("file")
        if list(node.values) != ["file"] or not isinstance(file, Text):
            self._wrong_shape(
                path, f"a {field.kind}, a list of them, or {{file: PATH}}"
            )
            return None
        place = (*path, "file")
        try:
            text = read_text(self._folder / file.text, file.text, MAX_LIST_BYTES)
        except BadInput as bad:
            message = f"the list {quoted(file.text)}: {bad.problems[0].message}"
            self._document.complain("list-file", place, message)
            return None
        gathered = Gathered(field)
        if field.kind is Kind.NAME and gathered.add_names(text):
            return gathered.wanted()
        for number, line in enumerate(text.splitlines(), 1):
            value = line.partition("#")[0].strip()
            try:
                if value:
                    gathered.add(value)
            except Unreadable as why:
                self._document.complain(
                    "list-file",
                    place,
                    f"line {number} of the list is {quoted(value)}",
                    expected=why.expected,
                )
                return None
        return gathered.wanted()

    def _wrong_shape(self, path: Path_, expected: str) -> None:
        node = self._document.node(path)
        shape = "a mapping" if isinstance(node, Table) else "a list"
        if isinstance(node, Text):
            shape = quoted(node.text)
        if not getattr(node, "text", "") and not getattr(node, "parts", True):
            shape = "empty"
        if (isinstance(node, Table) and not node.values) or shape == "''":
            shape = "empty"
        message = f"{spelled(path)} is {shape}"
        self._document.complain("wrong-shape", path, message, expected=expected)


class Gathered:
    """The values of one key, gathered as the engine will look them up."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._exact: set[str] = set()
        self._below: set[str] = set()
        self._networks: dict[tuple[int, int], set[int]] = {}
        self._numbers: set[int] = set()
        self._ranges: list[tuple[int, int]] = []
        self._texts: dict[str, None] = {}

    def add(self, value: str) -> None:
        """Add one value, as written; raises Unreadable."""
        kind = self._field.kind
        if kind is Kind.NAME:
            self._add_name(value)
        elif kind is Kind.NETWORK:
            self._add_network(value)
        elif kind is Kind.NUMBER:
            self._add_number(value)
        else:
            self._add_text(value)

    def add_names(self, text: str) -> bool:
        """Add a name a line, all at once; false, with none added, if any is odd.

        A list of a million would take three times as long name by name.
        """
        text = text.lower().removesuffix("\n")
        names = _PLAIN_NAME.findall(text)
        is_plain = not any(odd in text for odd in _ODD_IN_NAMES)
        if not is_plain or len(names) != text.count("\n") + 1:
            return False
        if text[:1] == "-" or text[-1:] == "-" or max(map(len, names)) > _NAME_MOST:
            return False
        self._below.update(name[2:] for name in names if name[0] == "*")
        self._exact.update(name for name in names if name[0] != "*")
        return True

    def wanted(self) -> Wanted:
        """All values together."""
        kind = self._field.kind
        if kind is Kind.NAME:
            return Names(frozenset(self._exact), frozenset(self._below))
        if kind is Kind.NETWORK:
            return Networks({k: frozenset(v) for k, v in self._networks.items()})
        if kind is Kind.NUMBER:
            return Numbers(frozenset(self._numbers), tuple(self._ranges))
        return Texts(tuple(self._texts))

    def _add_name(self, value: str) -> None:
        if value == "*":
            self._below.add(ROOT)
            return
        below = value.startswith("*.")
        try:
            name = values.host_name(value[2:] if below else value)
        except Unreadable:
            expected = "a host name such as news.example, *.news.example, or * for any"
            raise Unreadable(expected) from None
        (self._below if below else self._exact).add(name)

    def _add_network(self, value: str) -> None:
        try:
            network = ip_network(value.strip())
        except ValueError as why:
            help = (
                "the bits after the prefix must be 0" if "host bits" in str(why) else ""
            )
            raise Unreadable("an address or network: 198.18.0.0/15", help) from None
        key = (network.version, network.prefixlen)
        self._networks.setdefault(key, set()).add(int(network.network_address))

    def _add_number(self, value: str) -> None:
        most = self._field.most
        top = 2**32 - 1 if most is None else most
        found = re.fullmatch(
            r"(\d{1,10})(?:\s*-\s*(\d{1,10}))?", value.strip(), re.ASCII
        )
        if found is None:
            raise Unreadable("a number, or a range such as 6881-6889")
        low, high = int(found[1]), int(found[2] or found[1])
        if low > high:
            raise Unreadable("a range from the smaller to the larger number")
        if high > top:
            raise Unreadable(f"a number up to {top}")
        if found[2] is None:
            self._numbers.add(low)
        else:
            self._ranges.append((low, high))

    def _add_text(self, value: str) -> None:
        choices = self._field.choices
        written = values.text(value)
        if choices and written.lower() not in choices:
            raise Unreadable(one_of(choices), did_you_mean(written, choices))
        self._texts[written.lower() if choices else written] = None


def fields_of(condition: Condition | None) -> set[str]:
    """Every field that a condition asks about."""
    if condition is None:
        return set()
    if isinstance(condition, Match):
        return {condition.field}
    parts: Iterable[Condition]
    parts = (condition.part,) if isinstance(condition, Not) else condition.parts
    return set().union(*(fields_of(part) for part in parts))
