"""Whom a provider knows behind a client's line: what its contract says, or nothing."""

from __future__ import annotations

from filterlab.scenario.item import Item
from filterlab.scenario.values import Words


class Subscriber(Item):
    """A person, as far as the provider has written down who that is.

    The fields are those of resolution No. 6 (`filterlab.records.tables`).
    """

    name: Words | None = None
    contract: Words | None = None
    address: Words | None = None
    document: Words | None = None
    device: Words | None = None
    service: Words | None = None
