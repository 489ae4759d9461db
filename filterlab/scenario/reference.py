"""Where something in a file is known from."""

from __future__ import annotations

from typing import Any

from filterlab.scenario.item import Item
from filterlab.scenario.values import Words


class Reference(Item):
    """A report, a paper, a page."""

    title: Words = ""
    url: Words = ""
    date: Words = ""

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A bare text is a title."""
        return {"title": value} if isinstance(value, str) else value
