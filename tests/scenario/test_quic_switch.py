"""Whether a policy's box opens QUIC: `quic` in its stack, and not by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterlab.inspection.recogniser import QuicReading
from filterlab.policy.effects import Forward
from filterlab.policy.engine import Engine
from filterlab.policy.rules import Grade, StackModel
from filterlab.scenario.policies import load_policy
from tests.inspection.flows import quic_datagrams
from tests.inspection.wire import Talk
from tests.policy.boxes import IN, log, without_log

_SHIPPED = Path(__file__).parents[2] / "scenarios" / "policies"
_NAME = "news.example"
_RULE = f"{{when: {{tls.sni: {_NAME}}}, then: drop}}"
_TEXT = "{title: a, position: in_path, stack: %s, rules: [%s]}"


@pytest.mark.parametrize(
    ("written", "stack"),
    [
        ("tcp", StackModel(grade=Grade.TCP)),
        ("{quic: yes}", StackModel(quic=QuicReading())),
        ("{grade: packet, quic: no}", StackModel(grade=Grade.PACKET)),
    ],
)
def test_a_stack_says_so(tmp_path: Path, written: str, stack: StackModel) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(_TEXT % (written, _RULE))
    policy = load_policy(file)
    assert policy.stack == stack
    said = Engine(policy, lambda: 0.5).receive(
        Talk().udp(quic_datagrams(name=_NAME)[0]), 0.0, IN
    )
    if stack.quic.opens:
        assert log(said).finding == {"tls.sni": _NAME}
    else:
        assert said[0] == Forward() and without_log(said) == said


@pytest.mark.parametrize(
    "name", ["by-2020-beltelecom", "by-2020-ntec", "by-2020-business-network"]
)
def test_the_boxes_of_belarus_leave_quic_alone(name: str) -> None:
    policy = load_policy(_SHIPPED / f"{name}.yaml")
    datagram = Talk().udp(quic_datagrams(name=_NAME)[0])
    said = Engine(policy, lambda: 0.5).receive(datagram, 0.0, IN)
    assert without_log(said) == said
    assert not policy.stack.quic.opens
