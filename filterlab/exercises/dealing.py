"""Deals each participant a hand: which site is blocked in which way.

There is a capture of every site blocked in every way; a hand is a number that chooses
one for each site. Nobody's neighbour has the same four, and a new start has new ones.
"""

from __future__ import annotations

import random

from filterlab.exercises.shelf import Exercise

SITES = ("amber.example", "birch.example", "cedar.example", "delta.example")
WAYS = ("dns", "address", "http", "tls")


def ways_of(hand: int) -> dict[str, str]:
    """What is true of each site."""
    chance = random.Random(hand)
    ways = list(WAYS)
    chance.shuffle(ways)
    # Without this, the last answer would follow from the others.
    ways[chance.randrange(len(ways))] = chance.choice(WAYS)
    return dict(zip(SITES, ways, strict=True))


def evidence(exercise: Exercise, hand: int) -> dict[str, bytes]:
    """What the participant gets to see: of each site a capture, and it in words."""
    hidden = exercise.files("hidden")
    found = {}
    for site, way in ways_of(hand).items():
        for suffix in ("pcapng", "txt"):
            found[f"{site}.{suffix}"] = hidden[f"{site}-{way}.{suffix}"].read_bytes()
    return found
