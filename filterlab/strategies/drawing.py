"""Draws what a strategy leaves to chance: a whole tamper, its value, a cut's order.

Geneva draws these while it reads the text (`__init__` of actions/tamper.py and
actions/fragment.py); here the text stays as it is, and a run draws from its seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from filterlab.strategies.fields import FIELDS, PROTOCOLS
from filterlab.strategies.notation import Action, Fragment, Strategy, Tamper, Tree
from filterlab.strategies.tampering import corrupted

_HOWS = ("replace", "corrupt", "add")  # ACTIVATED_PRIMITIVES of actions/tamper.py
_WITHOUT_VALUE = ("corrupt", "compress")


def drawn(strategy: Strategy, random: Random, say: Callable[[str], None]) -> Strategy:
    """The strategy with nothing left to chance; `say` is told what was drawn."""

    def whole(action: Action | None) -> Action | None:
        if action is None:
            return None
        made = _action(action, random)
        if made is not action:
            say(f"{action.head} is drawn as {made.head}")
        return replace(made, left=whole(made.left), right=whole(made.right))

    def forest(trees: tuple[Tree, ...]) -> tuple[Tree, ...]:
        return tuple(replace(tree, action=whole(tree.action)) for tree in trees)

    return Strategy(forest(strategy.outbound), forest(strategy.inbound))


def _action(action: Action, random: Random) -> Action:
    if isinstance(action, Fragment) and action.in_order is None:
        return replace(action, in_order=random.choice((True, False)))
    if not isinstance(action, Tamper):
        return action
    if action.protocol is None:
        how = random.choice(_HOWS)
        protocol, field, value = _place(random)
        some = value if how != "corrupt" else None
        return replace(action, protocol=protocol, field=field, how=how, value=some)
    if action.value is None and action.how not in _WITHOUT_VALUE:
        return replace(action, value=_place(random)[2])
    return action


def _place(random: Random) -> tuple[str, str, str]:
    """A protocol, a field of it, and a value for that field."""
    protocol = random.choice(PROTOCOLS)
    field = random.choice(FIELDS[protocol])
    return protocol, field, corrupted(protocol, field, random)
