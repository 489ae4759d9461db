"""JUnit XML as a CI service reads it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from filterlab.report.junit import write_junit
from tests.report.evening import check, result


def test_a_failure_is_none_of_an_error(tmp_path: Path) -> None:
    texts = ("passes <&>", "fails", "cannot be told")
    checks = [
        check(met, text) for met, text in zip((True, False, None), texts, strict=True)
    ]
    write_junit(result(tmp_path, checks=tuple(checks)), tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert suite.tag == "testsuite"
    counts = [suite.get(name) for name in ("tests", "failures", "errors")]
    assert counts == ["3", "1", "1"]
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == list(texts)
    assert [[child.tag for child in case] for case in cases] == [
        [],
        ["failure"],
        ["error"],
    ]
    failure = cases[1][0]
    assert failure.get("message") == "because it is so"
    assert "election.yaml:30" in (failure.text or "")
    assert str(tmp_path) in (failure.text or "")
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties["seed"] == "7"
