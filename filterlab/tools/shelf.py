"""All tools there are, each read when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from filterlab.scenario import content
from filterlab.tools.tool import Tool, load_tool

# Tools of the user's own, for this process: they come before shipped ones.
_own: dict[str, Path] = {}


def put(path: Path) -> str:
    """Put a tool of the user's own on the shelf of this process; its name there."""
    _own[path.stem] = path
    _read.cache_clear()
    return path.stem


class Shelf(Mapping[str, Tool]):
    """The tools by their name; a faulty file raises BadInput when it is asked for."""

    def __getitem__(self, name: str) -> Tool:
        return _read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_files())

    def __len__(self) -> int:
        return len(_files())


def _files() -> dict[str, Path]:
    return content.tools() | _own


@cache
def _read(name: str) -> Tool:
    return load_tool(_files()[name])
