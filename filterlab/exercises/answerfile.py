"""Reads answers that are words: how a site is blocked, what is known of a visit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from filterlab.exercises.dealing import WAYS
from filterlab.scenario import source
from filterlab.scenario.item import Item, ItemT, validate
from filterlab.scenario.problem import BadInput
from filterlab.scenario.values import Words, word_of

_UNKNOWN = "unknown"  # as it is given; nothing is wrong with not knowing


class WaysFile(Item):
    """Each site, and its way."""

    sites: dict[Words, Annotated[str, word_of(*WAYS, _UNKNOWN)]]


class KnownFile(Item):
    """Each visit, and what can be known of it."""

    visits: dict[Words, Annotated[str, word_of("name", "cover", "nothing", _UNKNOWN)]]


def ways(path: Path) -> dict[str, str]:
    """The way of each site; raises BadInput."""
    return _read(WaysFile, path).sites


def known(path: Path) -> dict[str, str]:
    """What can be known of each visit; raises BadInput."""
    return _read(KnownFile, path).visits


def _read(model: type[ItemT], path: Path) -> ItemT:
    document = source.read(path, path.name)
    read = validate(model, document)
    if isinstance(read, list):
        raise BadInput(document.problems)
    return read
