"""All tools there are, each read when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from filterlab.scenario import content
from filterlab.tools.tool import Tool, load_tool

# Tools of the user's own, for this process: they come before shipped ones.
_own: dict[str, Tool] = {}


def put(tool: Tool) -> None:
    """Put a tool of the user's own on the shelf of this process."""
    _own[tool.name] = tool


class Shelf(Mapping[str, Tool]):
    """The tools by their name; a faulty file raises BadInput when it is asked for."""

    def __getitem__(self, name: str) -> Tool:
        return _own[name] if name in _own else _read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*content.tools(), *_own]))

    def __len__(self) -> int:
        return len({*content.tools(), *_own})


@cache
def _read(name: str) -> Tool:
    return load_tool(content.tools()[name])
