"""A long list of names is read as its lines would be, one by one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from filterlab.inspection.fields import FIELDS
from filterlab.policy.rules import Match, Names
from filterlab.scenario.conditions import Gathered
from filterlab.scenario.policies import load_policy
from filterlab.scenario.problem import BadInput
from filterlab.scenario.values import Unreadable

PARTS = ("a", "news", "x-y", "-", "a-", "-b", "_t", "A", "*", "", " ", "é", "b" * 64)


def one_by_one(lines: list[str]) -> Names | None:
    gathered = Gathered(FIELDS["tls.sni"])
    try:
        for line in lines:
            gathered.add(line)
    except Unreadable:
        return None
    wanted = gathered.wanted()
    assert isinstance(wanted, Names)
    return wanted


def test_what_is_read_at_once_is_what_is_read_by_line() -> None:
    chosen = random.Random(2)
    read = 0
    for _ in range(3000):
        lines = [
            ".".join(chosen.choices(PARTS, k=chosen.randrange(1, 5)))
            for _ in range(chosen.randrange(1, 4))
        ]
        gathered = Gathered(FIELDS["tls.sni"])
        if gathered.add_names("\n".join(lines) + "\n"):
            read += 1
            assert gathered.wanted() == one_by_one(lines), lines
    assert read > 20


def test_a_name_may_not_be_too_long() -> None:
    gathered = Gathered(FIELDS["tls.sni"])
    assert not gathered.add_names(".".join(["a" * 62] * 5))
    assert not gathered.add_names("")


@pytest.mark.parametrize("comment", ["", "# a comment\n"])
def test_comments_and_odd_lines_are_told_apart(comment: str, tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text(
        "title: T\nrules:\n  - {when: {tls.sni: {file: n.txt}}, then: drop}\n"
    )
    listed = tmp_path / "n.txt"
    listed.write_text(comment + "A.example\n*.b.example\n")
    condition = load_policy(policy).rules[0].when
    assert condition == Match(
        "tls.sni", Names(frozenset({"a.example"}), frozenset({"b.example"}))
    )
    listed.write_text(comment + "a.example\nb..example\n")
    with pytest.raises(BadInput, match=r"of the list is 'b\.\.example'"):
        load_policy(policy)
