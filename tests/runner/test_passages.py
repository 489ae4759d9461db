"""Probes that cannot go through their tool are refused, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.runner.plan import make_plan
from filterlab.scenario.problem import BadInput

SCENARIO = """
title: Ways that there are not
topology: {use: single}
services:
  web.example: {at: outside, speaks: [https, h3]}
  dns.example: {at: outside, speaks: [dns]}
clients: {alice: {at: inside}}
timeline: [{at: 0s, policy: open}]
probes:
  one: {from: alice, PROBE}
"""


def refusal(tmp_path: Path, probe: str, text: str = SCENARIO) -> str:
    """What is said about a scenario with this one probe."""
    path = tmp_path / "scenario.yaml"
    path.write_text(text.replace("PROBE", probe))
    with pytest.raises(BadInput) as caught:
        make_plan(path)
    return caught.value.render()


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        (
            "fetch: https://web.example/, resolver: dns.example, through: dot-stubby",
            "is a resolver itself, and the probe names 'dns.example'",
        ),
        (
            "resolve: web.example, resolver: dns.example, through: doh-kdig",
            "is a resolver itself, and the probe names 'dns.example'",
        ),
        (
            'fetch: https://web.example/, http: "3", through: shadowsocks',
            "carries TCP only, and HTTP/3 is UDP",
        ),
    ],
)
def test_what_a_tool_cannot_carry_is_refused(
    tmp_path: Path, probe: str, said: str
) -> None:
    text = refusal(tmp_path, probe)
    assert said in text
    assert f"{tmp_path}/scenario.yaml:10:" in text


def test_a_tool_that_asks_the_labs_resolver_needs_one(tmp_path: Path) -> None:
    without = SCENARIO.replace("  dns.example: {at: outside, speaks: [dns]}\n", "")
    probe = "fetch: https://web.example/, through: dot-stubby"
    assert "no service speaks dns" in refusal(tmp_path, probe, without)
