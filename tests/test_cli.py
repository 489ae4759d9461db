"""The command line as a whole: what it says, where, and with which exit status."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from filterlab import cli
from filterlab.lab.seal import children_of
from filterlab.scenario import content

ROOT = Path(__file__).parents[1]
FIRST_STEPS = (ROOT / "scenarios" / "first-steps.yaml").read_text()


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    status: int
    out: str
    err: str


@pytest.fixture
def filterlab(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Callable[..., Said]:
    """Run a command in an empty folder, as its entry point does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["filterlab", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return run


# --- bad input ---------------------------------------------------------------------


def changed(old: str, new: str) -> str:
    """First steps, with one thing wrong."""
    assert old in FIRST_STEPS
    return FIRST_STEPS.replace(old, new)


def alias_bomb() -> str:
    """A billion laughs (CVE-2003-1564), in YAML."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for n in range(1, 10):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]")
    return "\n".join(lines)


TWO_GATEWAYS = changed(
    "topology: {use: single}",
    'topology: {use: national, isps: 2, gateways: ["one:1", "two:2"]}',
).replace("at: outside", "at: abroad")
BAD = {
    "an unknown key": (
        changed("clock: 60x", "clok: 60x"),
        ["has no key 'clok'", "did you mean 'clock'?"],
    ),
    "a service that is not there": (
        changed("fetch: https://other.example/", "fetch: https://ather.example/"),
        ["ather.example", "did you mean 'other.example'?"],
    ),
    "a place that is not there": (
        changed("alice: {at: inside", "alice: {at: insde"),
        ["insde", "did you mean 'inside'?"],
    ),
    "two expectations that contradict": (
        FIRST_STEPS + "  - {probe: other, during: open, reaches: false}\n",
        ["first-steps.yaml:28:", "= see bad/first-steps.yaml:27:"],
    ),
    "a duplicate key": (
        changed("clock: 60x", "clock: 60x\nclock: 2x"),
        ["clock", "= see"],
    ),
    "ten megabytes": (FIRST_STEPS + "# lots\n" * 1_500_000, ["the file is too large"]),
    "an alias bomb": (alias_bomb(), []),
    "no YAML": ("title: [unclosed\n\x07", []),
    "a picture": ("\x89PNG\r\n\x1a\n\x00\x00", []),
    "nothing": ("", ["empty"]),
    "a port used twice": (
        changed(
            "other.example: {at: outside, speaks: [https]}",
            "other.example: {at: outside, speaks: [https, http], ports: {http: 443}}",
        ),
        ["uses port 443/tcp twice", "ports: {http: 444}"],
    ),
    "a policy that is not there": (
        changed("policy: open", "policy: opn"),
        ["opn", "did you mean 'open'?"],
    ),
    "a topology that is not there": (
        changed("use: single", "use: singel"),
        ["singel", "did you mean 'single'?"],
    ),
    "a policy where nobody passes": (
        TWO_GATEWAYS.replace("alice: {at: inside", "alice: {isp: 1")
        .replace("exchange: all, policy: first", "exchange: two, policy: first")
        .partition("expect:")[0],
        ["no probe crosses the exchange 'two'", "filterlab map"],
    ),
}


def is_told(said: Said, folder: Path) -> None:
    """In the design's form, on standard error; and nothing was started."""
    assert said.status == 2
    assert said.out == ""
    assert re.match(r"[^ :]+\.yaml:\d+:\d+: error: ", said.err)
    assert re.search(r"^\d+ problems? in .*; nothing was started$", said.err, re.M)
    assert "Traceback" not in said.err
    assert not re.search(r"\b(dict|NoneType|ValidationError|pydantic)\b", said.err)
    assert not (folder / "runs").exists()
    assert children_of(os.getpid()) == []


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("verb", ["run", "check", "map", "shell"])
def test_bad_input_is_told_and_nothing_started(
    filterlab: Callable[..., Said], tmp_path: Path, what: str, verb: str
) -> None:
    text, words = BAD[what]
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "first-steps.yaml").write_bytes(text.encode("latin-1"))
    said = filterlab(verb, "bad/first-steps.yaml")
    is_told(said, tmp_path)
    for word in words:
        assert word in said.err


def test_a_topology_without_an_exchange_is_bad_input(
    filterlab: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("scenarios", "controllers"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "topologies").mkdir()
    single = (ROOT / "topologies" / "single.py").read_text()
    flat = single.replace('role="exchange"', 'role="router"')
    assert flat != single
    flat = flat.replace('topos = {"single"', 'topos = {"flat"')
    (tmp_path / "topologies" / "flat.py").write_text(flat)
    (tmp_path / "flat.yaml").write_text(changed("use: single", "use: flat"))
    monkeypatch.setattr(content, "root", lambda: tmp_path)
    said = filterlab("run", "flat.yaml")
    is_told(said, tmp_path)
    assert "the topology 'flat' has no exchange" in said.err


def test_tools_that_are_not_installed_are_named_with_their_packages(
    filterlab: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = (ROOT / "scenarios" / "tools" / "shadowsocks.yaml").read_text()
    name = "a-tool-that-nobody-has"
    tool = tool.replace("needs: [ss-server, ss-local]", f"needs: [{name}]")
    for folder in ("topologies", "controllers"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / "scenarios" / "tools").mkdir(parents=True)
    (tmp_path / "scenarios" / "policies").symlink_to(ROOT / "scenarios" / "policies")
    (tmp_path / "scenarios" / "tools" / "lacking.yaml").write_text(tool)
    text = FIRST_STEPS
    for site in ("blocked", "other"):
        url = f"fetch: https://{site}.example/"
        assert url in text
        text = text.replace(url, f"{url}, through: lacking")
    (tmp_path / "lacking.yaml").write_text(text)
    monkeypatch.setattr(content, "root", lambda: tmp_path)
    install = "install it: apt-get install shadowsocks-libev"
    said = filterlab("run", "lacking.yaml")
    assert said.status == 3
    assert "Traceback" not in said.err
    assert f"blocked is skipped: the tool 'lacking' lacks {name}; {install}" in said.err
    assert "could not tell: none of its probes can be tried here" in said.err
    assert not (tmp_path / "runs").exists()
    said = filterlab("check", "lacking.yaml")
    assert said.status == 0
    assert f"other is skipped: the tool 'lacking' lacks {name}; {install}" in said.out
    said = filterlab("list", "tools")
    assert f"not installed ({name}): apt-get install shadowsocks-libev" in said.out


@pytest.mark.parametrize("verb", ["run", "map", "shell"])
def test_a_scenario_that_is_not_there_is_suggested(
    filterlab: Callable[..., Said], tmp_path: Path, verb: str
) -> None:
    said = filterlab(verb, "first-stps")
    assert said.status == 2
    assert "first-stps:1:1: error: there is no such file" in said.err
    assert "did you mean 'first-steps'?" in said.err
    assert not (tmp_path / "runs").exists()
    assert "filterlab list scenarios" in filterlab(verb, "qqq").err


def test_of_several_scenarios_all_are_looked_for_first(
    filterlab: Callable[..., Said], tmp_path: Path
) -> None:
    assert filterlab("run", "first-steps", "qqq").status == 2
    assert not (tmp_path / "runs").exists()


def test_a_folder_with_something_in_it_is_not_written_over(
    filterlab: Callable[..., Said], tmp_path: Path
) -> None:
    (tmp_path / "result.json").write_text("{}")
    said = filterlab("run", "first-steps", "--out", tmp_path)
    assert said.status == 2
    assert "holds something already" in said.err
    assert "--out" in said.err


@pytest.mark.parametrize("words", [[], ["explode"], ["run", "--explode"]])
def test_a_wrong_command_line_is_bad_input(
    filterlab: Callable[..., Said], words: list[str]
) -> None:
    said = filterlab(*words)
    assert said.status == 2
    assert "Traceback" not in said.err


# --- what says something -----------------------------------------------------------


def test_several_files_are_checked_and_each_is_told(
    filterlab: Callable[..., Said], tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(changed("clock: 60x", "clok: 60x"))
    good = ROOT / "scenarios" / "first-steps.yaml"
    policy = ROOT / "scenarios" / "policies" / "first-steps.yaml"
    said = filterlab("check", good, "bad.yaml", policy)
    assert said.status == 2
    assert said.err.count("error:") == 1
    assert "a sound scenario of 2 probes in 2 phases, 4 expectations" in said.out
    assert said.out.endswith("a sound policy of 1 rule\n")
    assert filterlab("check", good, policy).status == 0


def test_tools_and_strategies_are_checked_too(
    filterlab: Callable[..., Said], tmp_path: Path
) -> None:
    content = ROOT / "scenarios"
    tool = content / "tools" / "shadowsocks.yaml"
    (tmp_path / "odd.yaml").write_text(
        "title: A typing error\ndna: '[TCP:flags:PA]-tamper{TCP:windo:corrupt}-|'\n"
    )
    said = filterlab("check", tool, "odd.yaml")
    assert said.status == 0
    assert "a sound tool of 2 programs, entered by socks5" in said.out
    assert "a sound strategy at the client" in said.out
    assert "TCP has no field 'windo'; did you mean 'window'?" in said.out
    (tmp_path / "bad.yaml").write_text(tool.read_text().replace("enters:", "enter:"))
    said = filterlab("check", "bad.yaml")
    assert said.status == 2
    assert "did you mean 'enters'?" in said.err


@pytest.mark.parametrize(
    ("kind", "one"),
    [
        ("scenarios", "belarus/2020-election-day"),
        ("policies", "by-2020-beltelecom"),
        ("topologies", "national"),
        ("tools", "wireguard"),
        ("recognisers", "tls"),
    ],
)
def test_what_there_is_can_be_listed(
    filterlab: Callable[..., Said], kind: str, one: str
) -> None:
    listed = filterlab("list", kind)
    assert listed.status == 0
    assert re.search(rf"^{one} +\S", listed.out, re.M)
    entries = json.loads(filterlab("list", kind, "--json").out)
    found = next(entry for entry in entries if entry["name"] == one)
    assert len(found["title"]) > 10
    assert kind == "recognisers" or Path(found["file"]).is_file()
    assert not any("cannot be read" in entry["title"] for entry in entries)


def test_a_map_is_drawn_in_words_in_json_and_as_a_picture(
    filterlab: Callable[..., Said], tmp_path: Path
) -> None:
    plain = filterlab("map", "first-steps")
    assert plain.status == 0
    assert "exchange sees 100 %" in plain.out
    drawn = filterlab("map", "first-steps", "--json", "--svg", tmp_path / "map.svg")
    json.loads(drawn.out)
    assert "map.svg" in drawn.err
    assert (tmp_path / "map.svg").read_text().lstrip().startswith("<")


@pytest.mark.parametrize("of", ["scenario", "policy"])
def test_editors_get_a_schema(filterlab: Callable[..., Said], of: str) -> None:
    schema = json.loads(filterlab("schema", of).out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["properties"]["title"]


def test_the_doctor_says_what_mends_what_is_missing(
    filterlab: Callable[..., Said],
) -> None:
    said = filterlab("doctor", "--json")
    found = json.loads(said.out)
    assert said.status == (
        3 if any(f["needed"] and not f["present"] for f in found) else 0
    )
    assert all(f["present"] or f["mend"] for f in found)
    plain = filterlab("doctor")
    assert plain.status == said.status
    assert all(f["name"] in plain.out for f in found)


def test_a_folder_without_a_run_explains_nothing(
    filterlab: Callable[..., Said], tmp_path: Path
) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        said = filterlab("explain", folder)
        assert said.status == 2
        assert "holds no result.json, so no finished run" in said.err
        assert said.out == ""
