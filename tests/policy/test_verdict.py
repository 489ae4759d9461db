"""A decision as one line of decisions.jsonl."""

from __future__ import annotations

from filterlab.inspection.flow import FlowKey
from filterlab.policy.effects import Side
from filterlab.policy.verdict import Decision, Verdict


def test_as_json() -> None:
    key = FlowKey(6, bytes((100, 64, 0, 2)), 1, bytes((198, 18, 0, 5)), 443)
    decision = Decision(
        1.5, Verdict.BLOCK, "list", "a.yaml:3", "drop", key, {"tls.sni": "x"}, 4, 99
    )
    assert decision.as_json() == {
        "time": 1.5,
        "verdict": "block",
        "rule": "list",
        "source": "a.yaml:3",
        "action": "drop",
        "flow": {
            "protocol": "tcp",
            "client": "100.64.0.2",
            "client_port": 1,
            "server": "198.18.0.5",
            "server_port": 443,
        },
        "finding": {"tls.sni": "x"},
        "frame": 4,
        "bytes_seen": 99,
        "residual": False,
    }
    assert Side.INSIDE.other is Side.OUTSIDE and Side.OUTSIDE.other is Side.INSIDE
