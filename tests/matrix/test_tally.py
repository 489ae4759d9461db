"""Tries of a cell together: a word, a rate, and how sure it is."""

from __future__ import annotations

from filterlab.matrix.finding import Word
from filterlab.matrix.tally import tallies
from tests.matrix.cells import cell, finding, several, tally


def test_one_try_is_its_word() -> None:
    assert tally([Word.BLOCKED]).text == "blocked"


def test_several_tries_are_a_rate_with_its_interval() -> None:
    assert several(20, 0).text == "works 20 of 20 (84% to 100%)"
    assert several(10, 10).text == "works 10 of 20 (30% to 70%)"


def test_what_could_not_be_told_is_not_counted() -> None:
    mixed = tally([Word.WORKS, Word.UNKNOWN, Word.WORKS])
    assert (mixed.word, mixed.share(Word.WORKS)) == (Word.WORKS, (2, 2))
    assert tally([Word.UNKNOWN, Word.UNKNOWN]).word is Word.UNKNOWN


def test_of_two_words_that_are_as_common_the_worse_one_stands() -> None:
    assert several(1, 1).word is Word.BLOCKED


def test_the_last_of_a_try_made_again_counts() -> None:
    tries = [finding(Word.UNKNOWN), finding(Word.WORKS), finding(cell=cell("ssh"))]
    found = tallies(tries)
    assert found[cell()].tries == (tries[1],)
    assert set(found) == {cell(), cell("ssh")}
