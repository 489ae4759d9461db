"""The cafe's gate, as a real browser and the venue's journal see it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filterlab.pytest_plugin import Run
from filterlab.runner.exposure import connections
from filterlab.runner.plan import make_plan
from filterlab.runner.stage import standing
from filterlab.scenario import content
from filterlab.scenario.policies import load_policy

SCENARIO = Path(__file__).parents[2] / "scenarios" / "kazakhstan" / "2011-cafe.yaml"
CLOCK = "clock: 10x"
PAGE = "http://news.example/"
GUEST, NEWS = "100.65.1.2", ("198.18.1.2", 80)
ENTER = "http://portal.example/enter?name=Aigul&document=N04512345"
# All of a browser that need not be; what it asks of its maker ends in the seal.
BROWSER = [
    *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
    *("--disable-background-networking", "--user-data-dir=/run/browser"),
    *("--timeout=20000", "--dump-dom"),
]
HOUR_SECONDS = 3600.0


def an_evening_in_the_cafe(scenario: str, folder: str) -> list[str]:
    """What a guest's browser shows: before the form, in it, after it, and too late."""
    plan = make_plan(Path(scenario))
    with standing(plan, Path(folder), 1) as stage:
        guest = stage.network.node(plan.node_of["guest"]).enter_argv()

        def visit(url: str) -> str:
            done = subprocess.run([*guest, *BROWSER, url], capture_output=True)
            return done.stdout.decode()

        stage.leap(0.0)
        stage.set_policies({"provider": "kz-2011-cafe"})
        shown = [visit(url) for url in (PAGE, ENTER, PAGE)]
        stage.leap(2 * HOUR_SECONDS)
        return [*shown, visit(PAGE)]


def test_a_real_browser_meets_the_form_goes_on_and_meets_it_again_when_time_is_up(
    needs: Callable[..., None], in_seal: Callable[..., Any], tmp_path: Path
) -> None:
    needs("caddy", "unbound", "chromium")
    slow = tmp_path / "cafe.yaml"
    # However long a browser takes on this machine, it is no hour.
    slow.write_text(SCENARIO.read_text().replace(CLOCK, "clock: 1x"))
    folder = tmp_path / "run"
    folder.mkdir()
    led, entered, after, too_late = in_seal(
        an_evening_in_the_cafe, str(slow), str(folder)
    )
    for page in (led, too_late):
        assert "<title>Say who you are</title>" in page
        assert "This is news.example" not in page
    assert "You may go on" in entered
    assert "This is news.example" in after
    kept = sessions(folder, "guest")
    first, *_, last = (one for one in kept if one["internal_ip"] == "100.65.1.2")
    assert first["end_ms"] >= first["start_ms"]
    assert last["start_ms"] - first["end_ms"] > 1000 * HOUR_SECONDS


def sessions(folder: Path, line: str) -> list[Any]:
    """A line's sessions in the operator's records, in order."""
    book = sqlite3.connect(folder / "records.sqlite")
    book.row_factory = sqlite3.Row
    kept = book.execute(
        "SELECT * FROM session JOIN subscriber ON subscriber.id = subscriber_id"
        " WHERE line = ? ORDER BY start_ms",
        [line],
    ).fetchall()
    book.close()
    return kept


def flows(folder: Path) -> list[tuple[Any, ...]]:
    """The connections of the operator's records, with their bytes."""
    with sqlite3.connect(folder / "records.sqlite") as book:
        kept = book.execute(
            "SELECT transport, internal_ip, internal_port, site_ip, site_port,"
            " bytes_up, bytes_down FROM flow WHERE transport IN ('tcp', 'udp')"
        ).fetchall()
    book.close()
    return kept


def test_the_journal_has_time_and_address(
    needs: Callable[..., None], filterlab_run: Callable[[Path], Run]
) -> None:
    needs("caddy", "unbound", "wg")
    run = filterlab_run(SCENARIO)
    assert run.status == 0, run.stdout + run.stderr
    (log,) = (run.folder / "logs").glob("*portal.example*")
    visits = [json.loads(line) for line in log.read_text().splitlines()]
    assert {visit["address"] for visit in visits} == {"100.65.2.2"}
    assert [visit["time"] for visit in visits] == sorted(v["time"] for v in visits)
    assert {visit["document"] for visit in visits} == {"N04512345"}
    kept = sessions(run.folder, "regular")
    assert {one["internal_ip"] for one in kept} >= {"100.65.2.2"}
    assert all(one["end_ms"] >= one["start_ms"] for one in kept)
    # What is led to the form is in the records to the byte as well.
    capture = run.folder / "provider-inside.pcapng"
    log = load_policy(content.policies()["kz-2011-cafe"])
    captured = Counter((*one.ends, *one.sums) for one in connections(capture, log))
    kept_too = Counter(flows(run.folder))
    led = [one for one in kept_too if one[:2] == ("tcp", GUEST) and one[3:5] == NEWS]
    assert led and all(one[-1] for one in led)
    assert kept_too <= captured
