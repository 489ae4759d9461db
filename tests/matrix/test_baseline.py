"""What counts as a change since an earlier matrix, and what does not."""

from __future__ import annotations

import pytest

from filterlab.matrix.baseline import compare
from filterlab.matrix.finding import Word
from filterlab.matrix.summary import Summary
from filterlab.matrix.tally import Tally
from filterlab.report.result import Verdict
from tests.matrix.cells import cell, several, tally

HERE = cell()


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        (several(1, 0), several(1, 0), False),
        (several(1, 0), several(0, 1), True),
        (tally([Word.BLOCKED]), tally([Word.EXPOSED]), True),
        (tally([Word.WORKS]), tally([Word.SLOW]), True),
        # Wilson's intervals: 0.84 to 1, and 0.27 to 0.73; of 18, 0.70 to 0.97.
        (several(20, 0), several(10, 10), True),
        (several(20, 0), several(18, 2), False),
        # Once against often: 0.84 to 1, and 0 to 0.79.
        (several(20, 0), several(0, 1), True),
        (several(3, 0), several(0, 1), False),
        (several(1, 0), tally([Word.UNKNOWN]), False),
        (tally([Word.UNKNOWN]), several(0, 1), False),
    ],
)
def test_a_change_is_more_than_chance(before: Tally, now: Tally, changed: bool) -> None:
    assert bool(compare({HERE: before}, {HERE: now}).changes) is changed


def test_a_lost_cell_is_worse_and_a_won_one_better() -> None:
    [lost] = compare({HERE: several(1, 0)}, {HERE: several(0, 1)}).changes
    [won] = compare({HERE: several(0, 1)}, {HERE: several(1, 0)}).changes
    assert (lost.better, won.better) == (False, True)
    assert lost.text.startswith(f"{HERE}: works -> blocked: reset after hello")


def test_another_rule_behind_the_same_word_is_told_and_no_change() -> None:
    before = tally([Word.BLOCKED])
    moved = tally([Word.BLOCKED], rule='cn-sni-rst.yaml:31 "list"')
    other = tally([Word.BLOCKED], rule='cn-sni-rst.yaml:31 "other"')
    assert compare({HERE: before}, {HERE: moved}).otherwise == ()
    compared = compare({HERE: before}, {HERE: other})
    assert compared.changes == ()
    assert [change.cell for change in compared.otherwise] == [HERE]


def test_cells_of_one_side_are_named() -> None:
    other = cell("openvpn-udp")
    compared = compare({HERE: several(1, 0)}, {other: several(1, 0)})
    assert (compared.gone, compared.new, compared.changes) == ((HERE,), (other,), ())


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (several(1, 0), Verdict.AS_EXPECTED),
        (several(0, 1), Verdict.NOT_AS_EXPECTED),
        (tally([Word.UNKNOWN]), Verdict.COULD_NOT_TELL),
    ],
)
def test_beside_a_baseline_only_a_change_is_red(now: Tally, verdict: Verdict) -> None:
    before = {HERE: several(1, 0), cell("ssh"): several(0, 1)}
    found = {HERE: now, cell("ssh"): several(0, 1)}
    summary = Summary({}, comparison=compare(before, found))
    assert summary.verdict is verdict
