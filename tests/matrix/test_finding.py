"""A cell's line goes to a file and comes back; its text says how, by what and when."""

from __future__ import annotations

import json

import pytest

from filterlab.matrix.finding import Finding, Untooled, Word
from tests.matrix.cells import finding


@pytest.mark.parametrize("word", Word)
def test_a_line_comes_back_as_it_went(word: Word) -> None:
    one = finding(word, untooled=Untooled(False, "reset"), beside=("openvpn-udp",))
    line = json.dumps(one.as_json())
    assert json.loads(line)["id"] == "matrix::wireguard::cn-sni-rst"
    assert Finding.from_json(json.loads(line)) == one


def test_a_blocked_cell_says_how_by_which_rule_at_which_frame_and_when() -> None:
    at_once = finding(Word.BLOCKED)
    assert at_once.text == (
        'reset after hello, by cn-sni-rst.yaml:26 "list",'
        " at frame 1,412 of exchange-inside.pcapng, at once"
    )
    later = finding(Word.BLOCKED, after_seconds=1.0)
    assert later.text.endswith("after the lag of 1 s")


def test_a_cell_that_works_says_if_nothing_was_blocked_at_all() -> None:
    assert finding(untooled=Untooled(False, "reset")).text == ""
    unblocked = finding(untooled=Untooled(True, "ok"))
    assert unblocked.text == "the page is not blocked without a tool either"
