"""Treatments on a real switch, by the capture: what it cannot see to alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.replay.rehearsal import compare
from filterlab.runner.plan import make_plan

SCENARIO = Path(__file__).parent / "scenarios" / "treatments.yaml"
DELAY_SECONDS, FREEZE_BYTES, KBIT_S = 0.3, 20_000, 400
LATE_SECONDS = 0.02  # of the resets of `looks`
HELLO_BYTES = 8_000  # what a TLS handshake takes before the freeze counts, and more


def test_every_treatment_is_seen_by_client_and_wire(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs("tshark")
    out = tmp_path / "run"
    command = [sys.executable, "-m", "filterlab.cli", "run", str(SCENARIO), "--json"]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    tried = {p["name"]: p for p in json.loads(done.stdout)["probes"] if in_treated(p)}
    late = tried["late"]
    # A handshake and a request are two round trips, held back both ways.
    assert late["seconds"] >= 4 * DELAY_SECONDS
    for name in ("shaped", "policed", "each", "together"):
        assert tried[name]["kbit_s"] < KBIT_S
        assert tried[name]["control"]["kbit_s"] > KBIT_S * 2
    inside = out / "exchange-inside.pcapng"
    port = tried["frozen"]["endpoints"][-1][2]
    passed = seen(inside, f"tcp.dstport == {port}", "tcp.len")
    assert sum(int(length) for (length,) in passed) < FREEZE_BYTES + HELLO_BYTES
    port = tried["acks"]["endpoints"][-1][2]
    forged = seen(inside, f"tcp.dstport == {port} and ip.ttl == 77", "tcp.flags")
    assert [int(flags, 16) for (flags,) in forged] == [0x004] * 3
    outside = out / "exchange-outside.pcapng"
    assert not seen(outside, "ip.ttl == 77", "tcp.flags")
    looks_as_asked(inside, outside, tried["looks"]["endpoints"][-1][2])
    fragments_wait_for_each_other(inside, outside)
    scenario = make_plan(SCENARIO).scenario
    difference = compare(out, scenario.policies, scenario.clock)
    assert not difference, str(difference)


def looks_as_asked(inside: Path, outside: Path, port: int) -> None:
    """Every number of a forged packet is on the wire, to each end what is for it."""
    of_port = f"tcp.port == {port}"
    fields = ("ip.id", "tcp.window_size_value", "tcp.flags", "ip.flags.df", "tcp.len")
    for capture, end in ((inside, "dst"), (outside, "src")):
        # Each side of the exchange has the packets of both directions.
        forged = seen(capture, f"tcp.{end}port == {port} and ip.ttl == 91", *fields)
        numbers = [[int(field, 0) for field in row] for row in forged]
        assert numbers == [[4660, 502, 0x014, 0, 3]] * 2
    # Nothing but the hello is longer than what was forged; lost, it is still expected.
    hello = f"tcp.srcport == {port} and tcp.len > 3"
    ((start, said_at), *_) = seen(inside, hello, "tcp.seq_raw", "frame.time_epoch")
    for capture in (inside, outside):
        # However busy the machine is, what waits cannot come earlier than it must.
        late = seen(capture, f"{of_port} and ip.ttl == 91", "frame.time_epoch")
        waited = [float(at) - float(said_at) for (at,) in late]
        assert len(waited) == 2
        assert min(waited) >= LATE_SECONDS
    also = seen(outside, f"tcp.srcport == {port} and ip.ttl == 92", "tcp.seq_raw")
    ahead = [(int(seq) - int(start)) % 2**32 for (seq,) in also]
    assert ahead == [0, 1460]


def fragments_wait_for_each_other(inside: Path, outside: Path) -> None:
    """They come with two TTLs, and go on with the first one's."""
    of_one = "ip.src == 100.64.0.0/10 and (ip.flags.mf == 1 or ip.frag_offset > 0)"
    # The last request is that of the treated phase; the others went on as they came.
    (first, second), went = (
        [int(ttl) for _, ttl in seen(side, of_one, "ip.id", "ip.ttl")[-2:]]
        for side in (inside, outside)
    )
    assert first < second
    assert went == [first] * 2


def in_treated(probe: dict[str, Any]) -> bool:
    return bool(probe["phase"] == "treated")


def seen(capture: Path, what: str, *fields: str) -> list[list[str]]:
    """The fields of the frames of a capture that match, as Wireshark reads them."""
    words = [word for field in fields for word in ("-e", field)]
    argv = ["tshark", "-n", "-r", str(capture), "-Y", what, "-T", "fields", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]
