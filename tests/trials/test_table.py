"""What a table says of a program: found, missed, or taken for something else."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from filterlab.inspection.catalogue import PROTOCOLS
from filterlab.scenario.content import programs, tools
from filterlab.trials.reading import Counted, read_capture
from filterlab.trials.subjects import subjects
from filterlab.trials.table import FOUND, MISSED, WRONG, markdown, row_of, summary
from filterlab.trials.trial import Trial, trial_of
from filterlab.trials.truth import TRUTH
from tests.replay.captures import pcap

CLIENT, SERVER, OTHER = "100.64.0.2", "198.18.0.2", "198.18.0.9"


@pytest.mark.parametrize("name", sorted(tools() | programs()))
def test_every_program_has_been_told_what_it_is(name: str) -> None:
    assert name in TRUTH


def test_what_programs_are_is_something_that_recognisers_can_say() -> None:
    assert frozenset[str]().union(*TRUTH.values()) <= set(PROTOCOLS)


def test_a_row_tells_found_missed_and_wrong_apart() -> None:
    trial = Trial("tor-bridge", "tor 1", captured=True)
    row = row_of(trial, Counted(2, {"tls": 2, "http": 1}))
    assert row.cells == {"tls": FOUND, "tor": MISSED, "http": WRONG}
    assert summary([row])["tor"] == {FOUND: 0, MISSED: 1, WRONG: 0}
    page = markdown([row], "./lab captures", date(2026, 1, 2), ["esp"])
    assert "| tor-bridge | 2 | tls | tor | http |" in page
    assert "2026-01-02" in page and "tor 1" in page and "esp" in page


def test_what_was_not_captured_is_named_and_not_judged() -> None:
    trial = Trial("obfs4", "", failure="not installed: obfs4proxy")
    page = markdown([row_of(trial, Counted())], "./lab captures", date(2026, 1, 2), [])
    assert "- obfs4: not installed: obfs4proxy" in page
    assert "| obfs4 |" not in page


def test_a_trial_is_kept_and_read_again() -> None:
    trial = Trial("obfs4", "1", (CLIENT,), (SERVER,), "", True)
    assert trial_of(trial.as_json() | {"client": [CLIENT], "peers": [SERVER]}) == trial


def connection(client: str, server: str, number: int) -> list[tuple[float, bytes]]:
    """A connection that is opened and asks for a page."""
    # Named: scapy asks the network by ARP for what is left out.
    path = Ether(dst="02:00:00:00:00:02") / IP(src=client, dst=server)
    request = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
    ports = {"sport": 40_000 + number, "dport": 80}
    opening = path / TCP(flags="S", seq=1, **ports)
    asking = path / TCP(flags="PA", seq=2, ack=9, **ports) / request
    return [(number, bytes(opening)), (number + 0.5, bytes(asking))]


def test_only_flows_with_the_programs_own_hosts_count(tmp_path: Path) -> None:
    pairs = [(CLIENT, SERVER), (CLIENT, OTHER), (OTHER, SERVER)]
    frames = [f for n, pair in enumerate(pairs) for f in connection(*pair, n)]
    path = pcap(tmp_path / "three.pcap", frames)
    assert read_capture(path, (CLIENT,), (SERVER,)) == Counted(1, {"http": 1})
    assert read_capture(path, (CLIENT,), (SERVER, OTHER)).flows == 2


def test_an_unknown_program_is_named_with_a_suggestion() -> None:
    with pytest.raises(LookupError, match="obsf4"):
        subjects(["obsf4"])
