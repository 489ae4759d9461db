"""JUnit XML as a CI service reads it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from filterlab.report.junit import write_junit
from filterlab.report.skipped import Skipped
from tests.report.evening import check, result


def test_a_failure_is_none_of_an_error(tmp_path: Path) -> None:
    texts = ("passes <&>", "fails", "cannot be told")
    checks = [
        check(met, text) for met, text in zip((True, False, None), texts, strict=True)
    ]
    without = Skipped("far", "mine", "it lacks all", "build it", True, ("far is ok",))
    made = result(tmp_path, checks=tuple(checks), skipped=(without,))
    write_junit(made, tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert suite.tag == "testsuite"
    names = ("tests", "failures", "errors", "skipped")
    assert [suite.get(name) for name in names] == ["4", "1", "1", "1"]
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == [*texts, "far is ok"]
    assert [[child.tag for child in case] for case in cases] == [
        [],
        ["failure"],
        ["error"],
        ["skipped"],
    ]
    failure = cases[1][0]
    assert failure.get("message") == "because it is so"
    assert "election.yaml:30" in (failure.text or "")
    assert str(tmp_path) in (failure.text or "")
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties["seed"] == "7"
