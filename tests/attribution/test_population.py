"""Accuracy against coverage, over invented populations of any size and seed."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterlab.attribution.population import HABITS, Population, invented, table

POPULATIONS = st.builds(
    lambda seed, operators, subscribers, largest_last, missing: invented(
        Random(seed),
        operators,
        subscribers,
        largest_last=largest_last,
        pool_missing=missing,
    ),
    st.integers(0, 2**32),
    st.integers(1, 60),
    st.integers(1, 400),
    st.booleans(),
    st.sampled_from([0.0, 0.01, 0.25, 1.0]),
)


@settings(max_examples=30, deadline=None)
@given(POPULATIONS)
def test_each_list_that_is_missing_only_adds_suspects(population: Population) -> None:
    rows = list(table(population, range(population.operators, -1, -1)))
    for fuller, emptier in itertools.pairwise(rows):
        assert emptier.covered <= fuller.covered
        assert emptier.score.right >= fuller.score.right
        assert emptier.score.wrong >= fuller.score.wrong
    # With no list at all, everybody is found, and precision is the users' share.
    users = sum(person.uses_vpn for person in population.people)
    last = rows[-1].score
    assert (last.right, last.missed) == (users, 0)
    assert last.wrong == len(population.people) - users


def test_with_every_list_only_the_innocent_abroad_are_wrongly_found() -> None:
    population = invented(Random(1), 1300, 5_000)
    score = population.score(1300)
    abroad = sum(not p.uses_vpn and p.habit != "home" for p in population.people)
    assert score.wrong == abroad
    full = sum(p.habit == "vpn abroad" for p in population.people)
    assert score.right == full


def test_a_pool_that_the_lists_lack_costs_precision_and_no_recall() -> None:
    whole = invented(Random(3), 1300, 5_000).score(1300)
    lacking = invented(Random(3), 1300, 5_000, pool_missing=0.1).score(1300)
    assert lacking.precision is not None and whole.precision is not None
    assert lacking.precision < whole.precision
    assert lacking.recall is not None and whole.recall is not None
    assert lacking.recall >= whole.recall


def test_the_same_seed_is_the_same_population() -> None:
    assert invented(Random(7), 50, 500) == invented(Random(7), 50, 500)
    assert invented(Random(7), 50, 500) != invented(Random(8), 50, 500)


def test_the_shares_are_those_that_are_stated() -> None:
    people = invented(Random(5), 100, 20_000).people
    for habit, share in HABITS.items():
        got = sum(p.habit == habit for p in people) / len(people)
        # Three standard deviations of a share of twenty thousand.
        assert got == pytest.approx(share, abs=3 * (share / 20_000) ** 0.5), habit
