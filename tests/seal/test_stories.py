"""Without a rule that it rests on, a story's scenario fails.

All of them (`./lab mutate NAME`, or FILTERLAB_ALL_RULES=1) take as long as all stories
twice. FILTERLAB_TURN=WORD takes one rule of a few scenarios, and others with another
word. By default it is the shortest story's.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filterlab.runner.plan import make_plan
from filterlab.scenario import content
from filterlab.stories.command import telling
from filterlab.stories.deciding import deciding
from filterlab.stories.mutating import Colour, mutate, whose_turn

AT_A_TIME = 3
SHORTEST = "kazakhstan/2024-timeouts"
TURN = os.environ.get("FILTERLAB_TURN", "")
ALL = os.environ.get("FILTERLAB_ALL_RULES") == "1"


def whose() -> Iterator[tuple[str, str, str]]:
    """Scenario, policy and rule of all that are to be seen red now."""

    def order(name: str) -> bytes:
        return hashlib.sha256(f"{TURN} {name}".encode()).digest()

    names = sorted(telling(None), key=order)
    if not ALL:
        names = names[:AT_A_TIME] if TURN else [SHORTEST]
    for name in names:
        plan = make_plan(content.scenarios()[name])
        rules = deciding(plan) if ALL else [whose_turn(plan, TURN)]
        yield from ((name, one.policy, one.rule) for one in rules if one is not None)


@pytest.mark.parametrize(("name", "policy", "rule"), list(whose()))
def test_without_the_rule_it_fails(
    name: str, policy: str, rule: str, needs: Callable[..., None], tmp_path: Path
) -> None:
    needs()
    plan = make_plan(content.scenarios()[name])
    if plan.skipped:
        pytest.skip(plan.skipped[0].text)
    (one,) = (d for d in deciding(plan) if (d.policy, d.rule) == (policy, rule))
    found = mutate(plan, one, tmp_path)
    assert found.colour is Colour.RED, found.text
