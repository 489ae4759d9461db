"""Turns a YAML file into texts, lists and tables that know their line and column.

The only importer of yaml. Every scalar stays the text that was written: PyYAML's own
guesses would read `22:00` as 1320 and `no` as False. The parser's events are put
together here rather than by PyYAML, so that depth, size and aliases have limits and a
duplicate key is seen (YAML 1.1 forbids one, PyYAML lets the later win).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from filterlab.policy.rules import Source
from filterlab.scenario.problem import BadInput, Place, Problem, quoted

MAX_BYTES = 1_000_000  # the largest scenario anybody has to read; lists have own files
MAX_NODES = 100_000  # after aliases are put in; an alias bomb doubles at every line
MAX_DEPTH = 32  # the schema's own depth is below ten

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml is ten times faster
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)

Step = str | int
Path_ = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something stands; line and column count from 1."""

    line: int
    column: int
    width: int


@dataclass(slots=True)
class Text:
    """A scalar, as it was written."""

    mark: Mark
    text: str
    size: int = 1


@dataclass(slots=True)
class Listing:
    """A sequence."""

    mark: Mark
    parts: list[Node] = field(default_factory=list)
    size: int = 1


@dataclass(slots=True)
class Table:
    """A mapping; each key keeps the mark of where it is written."""

    mark: Mark
    keys: dict[str, Mark] = field(default_factory=dict)
    values: dict[str, Node] = field(default_factory=dict)
    size: int = 1


Node = Text | Listing | Table


def spelled(path: Path_) -> str:
    """A path in a document as people write it: `rules[2].when`."""
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        elif re.fullmatch(r"[\w-]+", step, re.ASCII):
            out += f".{step}" if out else step
        else:
            out += f"[{quoted(step)}]"
    return out or "the file"


class Document:
    """A file that has been read, and the problems found in it so far."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self.file = file
        self.lines = lines
        self.root: Table = Table(Mark(1, 1, 1))
        self.problems: list[Problem] = []

    def place(self, path: Path_, on_key: bool = False) -> Place:
        """Where the value at a path stands, or its key; the nearest that exists."""
        mark, node = self.root.mark, self.root  # type: Mark, Node
        for step in path:
            if isinstance(node, Table) and step in node.values:
                key = str(step)
                mark, node = node.keys[key], node.values[key]
            elif isinstance(node, Listing) and step in range(len(node.parts)):
                node = node.parts[int(step)]
                mark = node.mark
            else:
                break
        # A block of several lines is better named by its key than by its first line.
        return self.at(mark if on_key or not isinstance(node, Text) else node.mark)

    def at(self, mark: Mark) -> Place:
        """A mark with its file and source line."""
        line = self.lines[mark.line - 1] if mark.line <= len(self.lines) else None
        return Place(self.file, mark.line, mark.column, mark.width, line)

    def known(self, path: Path_) -> Path_:
        """The path as far as the document has it: a short form has fewer steps."""
        node: Node = self.root
        for index, step in enumerate(path):
            if isinstance(node, Table) and step in node.values:
                node = node.values[str(step)]
            elif isinstance(node, Listing) and step in range(len(node.parts)):
                node = node.parts[int(step)]
            else:
                return path[:index]
        return path

    def node(self, path: Path_) -> Node:
        """The value at a path, or the nearest that exists."""
        node: Node = self.root
        for step in self.known(path):
            if isinstance(node, Table):
                node = node.values[str(step)]
            elif isinstance(node, Listing):
                node = node.parts[int(step)]
        return node

    def where(self, path: Path_) -> Source:
        """The file and line of a path, for a verdict or a result to point at."""
        return Source(self.file, self.place(path, on_key=True).line)

    def complain(
        self, kind: str, path: Path_, message: str, *, on_key: bool = False, **more: Any
    ) -> None:
        """Note a problem at a path of the document."""
        place = self.place(path, on_key)
        self.problems.append(Problem(kind, place, message, **more))

    def plain(self) -> dict[str, Any]:
        """The document as dicts, lists and texts."""
        value = _plain(self.root)
        assert isinstance(value, dict)
        return value


def read(path: Path, file: str | None = None) -> Document:
    """Read a YAML file whose top is a mapping; `file` is the name that messages use.

    Raises BadInput where nothing can be read; problems that leave something to read,
    such as a duplicate key, are in the document's `problems`.
    """
    name = str(path) if file is None else file
    text = read_text(path, name, MAX_BYTES)
    # The line breaks of YAML 1.1, section 4.2.1 (str.splitlines knows more).
    document = Document(name, re.split("\r\n|[\n\r\x85\u2028\u2029]", text))
    if found := _UNPRINTABLE.search(text):
        before = re.split("\r\n|[\n\r\x85\u2028\u2029]", text[: found.start()])
        mark = Mark(len(before), len(before[-1]) + 1, 1)
        code = f"U+{ord(found.group()):04X}"
        raise BadInput(
            [
                Problem(
                    "unprintable",
                    document.at(mark),
                    f"the character {code} may not stand in a YAML file",
                )
            ]
        )
    _Composer(document, text).compose()
    return document


def read_text(path: Path, name: str, most_bytes: int) -> str:
    """A file's text, or BadInput saying why there is none."""
    place = Place(name, 1, 1)

    def refuse(kind: str, message: str, **more: Any) -> BadInput:
        return BadInput([Problem(kind, place, message, **more)])

    try:
        if path.is_dir():
            raise refuse("directory", "this is a folder", expected="a file")
        with path.open("rb") as stream:
            data = stream.read(most_bytes + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise refuse("missing-file", "there is no such file") from None
    except (OSError, ValueError) as why:
        text = getattr(why, "strerror", None) or "its name cannot be a file's"
        raise refuse("unreadable-file", f"cannot be read: {text}") from None
    if len(data) > most_bytes:
        raise refuse(
            "too-large",
            "the file is too large",
            expected=f"at most {most_bytes:,} bytes",
            help="long lists belong in files of their own: {file: lists/names.txt}",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as why:
        line = data.count(b"\n", 0, why.start) + 1
        message = f"line {line} is not UTF-8 (byte {why.start + 1} of the file)"
        raise refuse("not-utf8", message, expected="text in UTF-8") from None


def _plain(node: Node) -> Any:
    if isinstance(node, Text):
        return node.text
    if isinstance(node, Listing):
        return [_plain(part) for part in node.parts]
    return {key: _plain(value) for key, value in node.values.items()}


def _mark(event: Any) -> Mark:
    start, end = event.start_mark, event.end_mark
    width = end.column - start.column if end.line == start.line else 1
    return Mark(start.line + 1, start.column + 1, max(1, width))


class _Composer:
    """Puts the parser's events together, within the limits."""

    def __init__(self, document: Document, text: str) -> None:
        self._document = document
        self._text = text
        self._anchors: dict[str, Node | None] = {}  # None: still being read
        self._nodes = 0

    def compose(self) -> None:
        """Fill in the document's root."""
        try:
            self._compose(yaml.parse(self._text, Loader=_LOADER))
        except yaml.MarkedYAMLError as why:
            raise self._not_yaml(why) from None
        except yaml.YAMLError:
            raise self._refuse("not-yaml", Mark(1, 1, 1), "this is not YAML") from None

    def _compose(self, events: Iterator[Any]) -> None:
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise self._refuse(
                        "several-documents",
                        _mark(event),
                        "a second document begins here",
                        expected="one document a file",
                    )
                root = self._node(next(events), events, 0)
        if root is None or (isinstance(root, Text) and not root.text):
            raise self._refuse("empty", Mark(1, 1, 1), "the file is empty")
        if not isinstance(root, Table):
            shape = "a list" if isinstance(root, Listing) else "only text"
            raise self._refuse(
                "not-a-mapping",
                root.mark,
                f"the file is {shape}",
                expected="a mapping: keys, each followed by ':'",
            )
        self._document.root = root

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        mark = _mark(event)
        self._count(1, mark)
        # Given tags only: implicit ones are what BaseLoader would have resolved.
        if event.tag is not None and event.tag != "!":
            message = f"the tag {quoted(event.tag)} has no meaning here"
            raise self._refuse("tag", mark, message, help="leave it out")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = Text(mark, event.value)
        elif depth >= MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} levels deep"
            raise self._refuse("too-deep", mark, message)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._listing(mark, events, depth)
        else:
            node = self._table(mark, events, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _listing(self, mark: Mark, events: Iterator[Any], depth: int) -> Listing:
        listing = Listing(mark)
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            part = self._node(event, events, depth + 1)
            listing.parts.append(part)
            listing.size += part.size
        return listing

    def _table(self, mark: Mark, events: Iterator[Any], depth: int) -> Table:
        table = Table(mark)
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key_mark = _mark(event)
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            table.size += key.size + value.size
            if not isinstance(key, Text):
                self._note("key-not-text", key_mark, "a key must be text")
            elif key.text in table.values:
                first = self._document.at(table.keys[key.text])
                self._note(
                    "duplicate-key",
                    key_mark,
                    f"the key {quoted(key.text)} is given twice",
                    other=first,
                    other_says="first given here",
                )
            else:
                table.keys[key.text] = key_mark
                table.values[key.text] = value
        return table

    def _alias(self, event: Any) -> Node:
        mark, name = _mark(event), quoted(event.anchor)
        if event.anchor not in self._anchors:
            message = f"the alias {name} has no anchor before it"
            raise self._refuse("unknown-alias", mark, message)
        node = self._anchors[event.anchor]
        if node is None:
            message = f"the alias {name} stands inside what it refers to"
            raise self._refuse("alias-loop", mark, message)
        self._count(node.size, mark)
        return node

    def _count(self, nodes: int, mark: Mark) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise self._refuse(
                "too-many-nodes",
                mark,
                "the file holds too much once its aliases are put in",
                expected=f"at most {MAX_NODES:,} values",
            )

    def _note(self, kind: str, mark: Mark, message: str, **more: Any) -> None:
        place = self._document.at(mark)
        self._document.problems.append(Problem(kind, place, message, **more))

    def _refuse(self, kind: str, mark: Mark, message: str, **more: Any) -> BadInput:
        self._note(kind, mark, message, **more)
        return BadInput(self._document.problems)

    def _not_yaml(self, why: yaml.MarkedYAMLError) -> BadInput:
        at = why.problem_mark or why.context_mark
        line, column = (at.line + 1, at.column + 1) if at else (1, 1)
        mark = Mark(min(line, len(self._document.lines)), column, 1)
        text = self._document.lines[mark.line - 1]
        indent = text[: len(text) - len(text.lstrip())]
        if "\t" in indent:
            mark = Mark(mark.line, indent.index("\t") + 1, 1)
            message = "a tab in the indentation"
            return self._refuse("tab", mark, message, expected="spaces")
        more: dict[str, Any] = {}
        if why.context and why.context_mark and why.context_mark.line + 1 < mark.line:
            start = why.context_mark
            context = Mark(start.line + 1, start.column + 1, 1)
            more = {"other": self._document.at(context), "other_says": why.context}
        return self._refuse("not-yaml", mark, f"not YAML: {why.problem}", **more)
