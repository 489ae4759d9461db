"""Recognisers of the user's own: from a policy's file to a decision."""

from __future__ import annotations

import pickle
from pathlib import Path
from struct import pack

import pytest

from filterlab.inspection.features import NAMES
from filterlab.inspection.flow import TCP
from filterlab.inspection.recogniser import NOT_MINE, Direction, Reading
from filterlab.policy.effects import Effect, Log, Side
from filterlab.policy.engine import Engine
from filterlab.policy.rules import Policy
from filterlab.scenario.plugins import PluginError
from filterlab.scenario.policies import load_policy
from filterlab.scenario.problem import BadInput
from tests.inspection.wire import Talk

_FUNCTION = """
def recognise(features, payload):
    if payload.startswith(b"odd"):
        return "oddity"
    return features["bytes_up"] > 100
"""
_POLICY = """
title: One's own
recognisers:
  mine: {%s, packets: 2}
rules:
  - when: {protocol: [mine, oddity, proxy]}
    then: drop
"""


def _policy(folder: Path, recogniser: str) -> Policy:
    file = folder / "own.yaml"
    file.write_text(_POLICY % recogniser)
    return load_policy(file)


def _talk(policy: Policy, *payloads: bytes) -> list[Effect]:
    # The exchange is told its policy through a pipe.
    engine = Engine(pickle.loads(pickle.dumps(policy)), lambda: 0.5)
    talk = Talk()
    said = engine.receive(talk.syn(), 0, Side.INSIDE)
    for payload in payloads:
        said += engine.receive(talk.send(payload), 0, Side.INSIDE)
    return said


def _found(effects: list[Effect]) -> list[str]:
    return [e.decision.finding["protocol"] for e in effects if isinstance(e, Log)]


def test_asks_a_function(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(_FUNCTION)
    policy = _policy(tmp_path, "python: mine.py")
    assert _found(_talk(policy, b"odd", b"x")) == ["oddity"]
    assert _found(_talk(policy, b"x" * 60, b"x" * 60)) == ["mine"]
    assert _found(_talk(policy, b"x" * 60)) == []
    assert _found(_talk(policy, b"x", b"x", b"x" * 200)) == []


def test_a_function_that_fails_ends_the_box(tmp_path: Path) -> None:
    for text, why in (("1 / 0", "ZeroDivisionError"), ("return 7", "it said 7")):
        folder = tmp_path / why.replace(" ", "")
        folder.mkdir()
        (folder / "mine.py").write_text(f"def recognise(features, payload): {text}")
        policy = _policy(folder, "python: mine.py")
        with pytest.raises(PluginError, match=rf"mine \(.*mine.py\): .*{why}"):
            _talk(policy, b"x", b"x")
    (tmp_path / "mine.py").write_text("def recognise(f, p): pass\nraise OSError('no')")
    with pytest.raises(PluginError, match="no"):
        _talk(_policy(tmp_path, "python: mine.py"))


def test_a_function_is_only_read_by_whom_it_concerns(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def recognise(f, p): pass\nraise OSError")
    file = tmp_path / "own.yaml"
    file.write_text((_POLICY % "python: mine.py").replace("protocol:", "tls.sni:"))
    assert _found(_talk(load_policy(file), b"x")) == []


def test_bytes_alone_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(_FUNCTION)
    (own,) = _policy(tmp_path, "python: mine.py").recognisers
    subject = own.load()(TCP, Reading())
    assert subject.feed(Direction.TO_SERVER, b"odd") is NOT_MINE
    assert subject.conclude() is NOT_MINE
    assert own.load() is own.load() and own.load().name == "mine"


@pytest.mark.parametrize(
    ("recogniser", "why"),
    [
        ("python: none.py", "needs 'none.py', which is not there"),
        ("python: bad.py", "is not Python"),
        ("python: mine.py, function: other", "has no function 'other'"),
        ("python: mine.py, onnx: m.onnx", "names two files"),
        ("function: recognise", "names no file"),
    ],
)
def test_says_what_is_missing(tmp_path: Path, recogniser: str, why: str) -> None:
    (tmp_path / "mine.py").write_text(_FUNCTION)
    (tmp_path / "bad.py").write_text("def recognise(:")
    with pytest.raises(BadInput) as raised:
        _policy(tmp_path, recogniser)
    assert why in raised.value.render()


def _field(number: int, content: bytes | int | str) -> bytes:
    """One field of protobuf."""
    if isinstance(content, int):
        return _number(number << 3) + _number(content)
    raw = content.encode() if isinstance(content, str) else content
    return _number(number << 3 | 2) + _number(len(raw)) + raw


def _number(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes((value & 0x7F | 0x80,)), value >> 7
    return out + bytes((value,))


def _tensor(name: str, columns: int) -> bytes:
    shape = b"".join(_field(1, _field(1, n)) for n in (1, columns))
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, shape)))


def _model() -> bytes:
    """scores = features x weights: the second score is the bytes that went up."""
    weights = [0.0] * (2 * len(NAMES))
    weights[2 * NAMES.index("bytes_up") + 1] = 1.0
    weights[2 * NAMES.index("packets_up")] = 50.0
    values = pack(f"<{len(weights)}f", *weights)
    dims = _field(1, len(NAMES)) + _field(1, 2)
    held = dims + _field(2, 1) + _field(8, "weights") + _field(9, values)
    node = _field(1, "features") + _field(1, "weights") + _field(2, "scores")
    graph = _field(1, node + _field(4, "MatMul")) + _field(2, "graph")
    graph += _field(5, held)
    graph += _field(11, _tensor("features", len(NAMES)))
    graph += _field(12, _tensor("scores", 2))
    opset = _field(1, "") + _field(2, 13)
    return _field(1, 8) + _field(7, graph) + _field(8, opset)


def test_asks_a_model(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    (tmp_path / "model.onnx").write_bytes(_model())
    policy = _policy(tmp_path, "onnx: model.onnx, labels: [other, proxy]")
    assert _found(_talk(policy, b"x" * 60, b"x" * 60)) == ["proxy"]
    assert _found(_talk(policy, b"x", b"x")) == []
    unnamed = _policy(tmp_path, "onnx: model.onnx")
    assert _found(_talk(unnamed, b"x" * 60, b"x" * 60)) == ["mine"]
