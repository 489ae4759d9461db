"""What a replay tells: lines and summary, of every kind of capture, or a refusal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from filterlab.captures import pcapng
from filterlab.cli import app
from filterlab.policy.rules import Drop, Policy, Reset, Rule
from filterlab.replay.feed import feed_of
from filterlab.replay.story import Replay, read
from tests.inspection.wire import Talk, hello, query
from tests.policy.boxes import SNI, SOURCE, names
from tests.replay.captures import START, Timed, of_exchange, pcap

QUERY = names("blocked.example", field="dns.qry.name")
POLICY = Policy(
    "p",
    "P",
    SOURCE,
    rules=(Rule("list", SOURCE, SNI, Reset()), Rule("names", SOURCE, QUERY, Drop())),
)
IN, OUT = pcapng.INBOUND, pcapng.OUTBOUND
YAML = """title: Test
rules:
  - name: list
    when: {tls.sni: blocked.example}
    then: reset
"""


def some() -> list[Timed]:
    """A blocked visit, an innocent one, a query, and one that says nothing."""
    blocked, innocent, silent = Talk(40_001), Talk(40_002), Talk(40_003)
    said = [blocked.syn(), innocent.syn(), silent.syn(), blocked.syn_ack()]
    said += [blocked.send(hello()), innocent.send(hello(b"other.example"))]
    said += [innocent.reply(b"z" * 900)] * 3
    said += [Talk(40_004, 53).udp(query("other.example"))]
    return [(n * 0.5, frame) for n, frame in enumerate(said)]


def verdicts(replay: Replay) -> list[tuple[int, int, str, str | None]]:
    return [
        (
            told.frame,
            told.flow.client_port,
            told.verdict.value,
            told.decision.rule if told.decision else None,
        )
        for told in replay
    ]


WANTED = [
    (5, 40_001, "block", "list"),
    (6, 40_002, "allow", None),
    (3, 40_003, "undecided", None),
    (10, 40_004, "allow", None),
]


def test_each_flow_has_its_line(tmp_path: Path) -> None:
    replay = Replay(POLICY, [pcap(tmp_path / "c.pcap", some())])
    assert verdicts(replay) == WANTED
    summary = replay.summary
    assert (summary.frames, summary.flows) == (10, 4)
    assert summary.bytes == sum(len(frame) for _, frame in some())
    assert summary.spans_seconds == pytest.approx(4.5)
    assert summary.decisions == {"block": 1, "allow": 2, "undecided": 1}


@pytest.mark.parametrize(
    ("link_type", "head"),
    [
        (101, b""),
        (113, bytes(14) + b"\x08\x00"),
        (276, b"\x08\x00" + bytes(18)),
        (1, bytes(12) + b"\x81\x00\x00\x05\x08\x00"),
        (1, bytes(12) + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00"),
    ],
)
@pytest.mark.parametrize("unit", [1, 1_000])
def test_every_link_type_is_read(
    link_type: int, head: bytes, unit: int, tmp_path: Path
) -> None:
    frames = [(when, head + frame[14:]) for when, frame in some()]
    capture = pcap(tmp_path / "c.pcap", frames, link_type, unit)
    replay = Replay(POLICY, [capture])
    assert verdicts(replay) == WANTED
    assert replay.summary.unread == 0


def test_a_link_type_that_nobody_reads_is_counted(tmp_path: Path) -> None:
    replay = Replay(POLICY, [pcap(tmp_path / "c.pcap", some(), link_type=147)])
    assert verdicts(replay) == []
    assert replay.summary.unread == 10


def exchanged() -> list[tuple[float, bytes, int, str]]:
    """What the inside of an exchange sees of a blocked visit."""
    talk = Talk()
    said = [(talk.syn(), IN, ""), (talk.syn_ack(), OUT, "")]
    said += [(talk.send(hello()), IN, "filterlab: block by policy.yaml:7")]
    said += [(talk.tcp(b"", "RA", 0, 0, up=False), OUT, "filterlab: injected by x")]
    return [(n * 0.1, *rest) for n, rest in enumerate(said)]


def test_what_the_exchange_injected_is_not_given_to_it_again(tmp_path: Path) -> None:
    replay = Replay(POLICY, [of_exchange(tmp_path / "x", "inside", exchanged())])
    assert verdicts(replay) == [(3, 40_000, "block", "list")]
    assert (replay.summary.frames, replay.summary.left_out) == (3, 1)


def test_of_two_sides_only_what_came_in_counts(tmp_path: Path) -> None:
    inside = of_exchange(tmp_path / "i", "inside", exchanged())
    across = [(t, f, OUT + IN - d, "") for t, f, d, _ in exchanged()[:3]]
    outside = of_exchange(tmp_path / "o", "outside", across)
    feed = feed_of([read(inside), read(outside)])
    assert feed.numbers.tolist() == [1, 2, 3]
    assert feed.captures.tolist() == [0, 1, 0]
    assert feed.sides.tolist() == [1, 2, 1]
    assert verdicts(Replay(POLICY, [inside, outside])) == [(3, 40_000, "block", "list")]


def test_the_command_prints_one_object_a_line(tmp_path: Path) -> None:
    policy, capture = tmp_path / "p.yaml", pcap(tmp_path / "c.pcap", some())
    policy.write_text(YAML)
    done = CliRunner().invoke(app, ["replay", str(policy), str(capture), "--json"])
    assert done.exit_code == 0
    *told, summary = map(json.loads, done.stdout.splitlines())
    first = told[0]
    assert (first["frame"], first["time"]) == (5, START + 2.0)
    assert first["flow"]["client_port"] == 40_001
    assert first["finding"] == {"tls.sni": "blocked.example"}
    assert (first["verdict"], first["rule"]) == ("block", "list")
    assert told[1]["finding"]["tls.sni"] == "other.example"
    assert {"frames", "flows", "bytes", "seconds"} <= summary.keys()
    assert (summary["frames"], summary["flows"]) == (10, 4)


def test_a_cut_capture_is_read_up_to_the_cut(tmp_path: Path) -> None:
    policy, capture = tmp_path / "p.yaml", pcap(tmp_path / "c.pcap", some())
    policy.write_text(YAML)
    capture.write_bytes(capture.read_bytes()[:-5])
    done = CliRunner().invoke(app, ["replay", str(policy), str(capture)])
    assert done.exit_code == 0
    assert "tls.sni = blocked.example" in done.stdout
    assert "cut off in frame 10; everything before was read" in done.stdout


def test_what_cannot_be_replayed_is_refused(tmp_path: Path) -> None:
    policy, text = tmp_path / "p.yaml", tmp_path / "notes.txt"
    policy.write_text(YAML)
    text.write_text("no capture")
    for words, said in (
        ([str(policy), str(text)], "neither pcapng nor pcap"),
        ([str(policy), str(tmp_path / "none")], "no such file"),
        ([str(policy), str(tmp_path)], "this is a folder"),
        ([str(tmp_path / "none.yaml"), str(text)], "there is no such file"),
        ([str(policy), str(text), "--inside", "x"], "expected a network"),
    ):
        done = CliRunner().invoke(app, ["replay", *words])
        assert done.exit_code == 2, words
        assert done.stdout == ""
        assert "error: " in done.stderr and said in done.stderr


def test_a_flow_is_explained_byte_by_byte(tmp_path: Path) -> None:
    policy, capture = tmp_path / "p.yaml", pcap(tmp_path / "c.pcap", some())
    policy.write_text(YAML)
    words = ["replay", str(policy), str(capture), "--explain"]
    done = CliRunner().invoke(app, [*words, "5"])
    assert done.exit_code == 0
    size = len(hello())
    assert f"{size:,} bytes to the server and 0 to the client" in done.stdout
    told = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    assert "tls.sni = blocked.example" in told["tls"]
    assert f"at byte {size} to server (frame 5)" in told["tls"]
    assert "not mine, at byte 1 to server (frame 5)" in told["http"]
    missing = CliRunner().invoke(app, [*words, "99"])
    assert missing.exit_code == 2
    assert "there is no frame 99" in missing.stderr
