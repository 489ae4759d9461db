"""All tools there are, each read when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from filterlab.scenario import content
from filterlab.tools.tool import Tool, load_tool

# Tools of the user's own, for this process: they come before shipped ones.
_own: dict[str, tuple[Path, Mapping[str, str]]] = {}


def put(path: Path, given: Mapping[str, str] | None = None) -> str:
    """Put a tool of the user's own on the shelf of this process; its name there.

    `given` are variables that come from elsewhere: where its file really lies.
    """
    _own[path.stem] = path, given or {}
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
    return content.tools() | {name: path for name, (path, _) in _own.items()}


@cache
def _read(name: str) -> Tool:
    _, given = _own.get(name, (None, None))
    return load_tool(_files()[name], given=given)
