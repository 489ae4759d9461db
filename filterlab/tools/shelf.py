"""All tools there are, each read when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from filterlab.scenario import content
from filterlab.tools.tool import Tool, load_tool


class Shelf(Mapping[str, Tool]):
    """The tools by their name; a faulty file raises BadInput when it is asked for."""

    def __getitem__(self, name: str) -> Tool:
        return _read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(content.tools())

    def __len__(self) -> int:
        return len(content.tools())


@cache
def _read(name: str) -> Tool:
    return load_tool(content.tools()[name])
