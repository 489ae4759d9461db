"""Which of the reported stories a scenario tells, and which of its systems it has."""

from __future__ import annotations

from filterlab.scenario.item import Item
from filterlab.scenario.values import Words


class Story(Item):
    """A story as the news told it, and one system in it."""

    title: Words
    system: Words

    @property
    def text(self) -> str:
        """Both in one line."""
        return f"{self.title}: {self.system}"
