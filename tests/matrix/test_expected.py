"""What is expected of cells: read from a file, held against what came."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.matrix.expected import Standing, judge, load_expected
from filterlab.matrix.finding import Word
from filterlab.matrix.summary import Summary
from filterlab.report.result import Verdict
from filterlab.scenario.problem import BadInput
from tests.matrix.cells import cell, tally

FILE = """\
cells:
  - {tool: openvpn-*, policy: cn-*, xfail: recognised since 2023}
  - {tool: ssh, is: [works, slow]}
  - {policy: ru-2025-*, is: blocked}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "expect.yaml"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize(
    ("tool", "policy", "word", "standing"),
    [
        ("wireguard", "cn-sni-rst", Word.WORKS, Standing.AS_EXPECTED),
        ("wireguard", "cn-sni-rst", Word.BLOCKED, Standing.NOT_AS_EXPECTED),
        ("openvpn-udp", "cn-sni-rst", Word.BLOCKED, Standing.KNOWN),
        ("openvpn-udp", "cn-sni-rst", Word.WORKS, Standing.UNEXPECTEDLY_WORKS),
        ("openvpn-udp", "cn-sni-rst", Word.UNKNOWN, Standing.COULD_NOT_TELL),
        ("ssh", "ru-2025-freeze", Word.SLOW, Standing.AS_EXPECTED),
        ("ssh", "ru-2025-freeze", Word.EXPOSED, Standing.NOT_AS_EXPECTED),
        ("wireguard", "ru-2025-freeze", Word.BLOCKED, Standing.AS_EXPECTED),
    ],
)
def test_the_first_entry_that_fits_counts(
    file: Path, tool: str, policy: str, word: Word, standing: Standing
) -> None:
    judged = judge(tally([word], cell=cell(tool, policy)), load_expected(file))
    assert judged.standing is standing


def test_a_reason_and_its_line_are_told(file: Path) -> None:
    one = tally([Word.WORKS], cell=cell("openvpn-tcp"))
    judged = judge(one, load_expected(file))
    assert judged.why == "it works, and was known not to: recognised since 2023"
    assert judged.source.endswith("expect.yaml:2")


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ([Word.WORKS, Word.WORKS], Verdict.AS_EXPECTED),
        ([Word.WORKS, Word.BLOCKED], Verdict.NOT_AS_EXPECTED),
        ([Word.WORKS, Word.UNKNOWN], Verdict.COULD_NOT_TELL),
        # What is certain is not hidden by what could not be told.
        ([Word.BLOCKED, Word.UNKNOWN], Verdict.NOT_AS_EXPECTED),
    ],
)
def test_the_verdict_of_all(words: list[Word], verdict: Verdict) -> None:
    tallies = [tally([w], cell=cell(f"tool{n}")) for n, w in enumerate(words)]
    assert Summary({t.cell: judge(t, []) for t in tallies}).verdict is verdict


def test_without_a_file_nothing_is_expected() -> None:
    blocked = tally([Word.BLOCKED])
    assert Summary({blocked.cell: judge(blocked, None)}).verdict is Verdict.AS_EXPECTED


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{tol: ssh, is: works}", ["has no key 'tol'", "did you mean 'tool'?"]),
        ("{tool: ssh, is: working}", ["working", "works"]),
        ("{tool: ssh}", ["expects nothing"]),
        ("{tool: ssh, is: works, xfail: x}", ["says both 'is' and 'xfail'"]),
    ],
)
def test_bad_entries_are_told_with_their_place(
    tmp_path: Path, line: str, says: list[str]
) -> None:
    path = tmp_path / "expect.yaml"
    path.write_text(f"cells:\n  - {line}\n")
    with pytest.raises(BadInput) as bad:
        load_expected(path)
    for words in ["expect.yaml:2:", *says]:
        assert words in str(bad.value)
