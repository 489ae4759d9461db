"""What an expectation may say of the page that a client gets."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from filterlab.scenario.item import Item
from filterlab.scenario.problem import listed
from filterlab.scenario.servicefile import Url
from filterlab.scenario.values import Unreadable, Words


class PageText(Item):
    """How the page that comes calls itself, or where the answer leads instead."""

    title: Words | None = None
    leads_to: Url | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.title is None and self.leads_to is None:
            expected = "'title', 'leads_to' or both"
            raise Unreadable(expected, says="says nothing", kind="one-of")
        return self

    @property
    def text(self) -> str:
        """The expectation in words."""
        says = []
        if self.title is not None:
            says.append(f'gets the page "{self.title}"')
        if self.leads_to is not None:
            says.append(f"is led to {self.leads_to}")
        return listed(says, "and")
