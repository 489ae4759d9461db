"""Names, patterns and files of the command line become a table, or are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from filterlab.matrix.choice import choose, shard_of
from filterlab.matrix.refusal import Refusal
from filterlab.scenario import content
from filterlab.scenario.problem import BadInput
from filterlab.tools.bring import Commands

OWN = """\
title: A tool of the test's own
needs: [%s]
packages: {apt: [no-such-package]}
port: 8388/tcp
parts:
  server: {on: server, start: cat, ready: {tcp: 8388}}
  client: {on: client, start: cat, ready: {tcp: 1080}}
enters: {socks5: "127.0.0.1:1080"}
"""


def own_tool(folder: Path, needs: str = "cat") -> Path:
    path = folder / "own.yaml"
    path.write_text(OWN % needs)
    return path


def test_patterns_and_lists_name_what_there_is(tmp_path: Path) -> None:
    own = own_tool(tmp_path)
    chosen = choose("", "ru-2022-*,open", own_tools=[own])
    names = [censor.name for censor in chosen.table.censors]
    assert set(names) == {n for n in content.policies() if n.startswith("ru-2022")} | {
        "open"
    }
    assert list(chosen.table.tools) == ["own"]
    assert [setting.name for setting in chosen.table.settings] == ["matrix"]


def test_all_means_every_tool(tmp_path: Path) -> None:
    chosen = choose("all", "open")
    assert set(chosen.table.tools) | set(chosen.skipped) == set(content.tools())


def test_a_policy_may_be_a_file_with_a_list_beside_it(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("blocked.example\n")
    policy = tmp_path / "mine.yaml"
    policy.write_text(
        "title: Mine\nsure: assumed\nposition: in_path\nrules:\n"
        "  - {name: list, when: {tls.sni: {file: names.txt}}, then: drop}\n"
    )
    chosen = choose("", str(policy), own_tools=[own_tool(tmp_path)])
    [mine] = chosen.table.censors
    assert mine.files.keys() == {"mine.yaml", "names.txt"}


def test_a_tool_that_is_not_installed_is_skipped_with_the_command(
    tmp_path: Path,
) -> None:
    chosen = choose("", "open", own_tools=[own_tool(tmp_path, "no-such-program")])
    assert chosen.table.tools == {}
    assert chosen.skipped["own"] == (
        "no-such-program missing; apt-get install no-such-package"
    )


def test_everything_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(Refusal) as refused:
        choose("wireguart", "cm-*,nowhere.yaml", "first-step")
    said = str(refused.value)
    for words in (
        "--tools: nothing is called 'wireguart'",
        "'wireguard'",
        "--policies: nothing is called 'cm-*'",
        "--policies nowhere.yaml: there is no such file",
        "--scenarios: nothing is called 'first-step'",
    ):
        assert words in said


def test_a_tool_file_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    own = own_tool(tmp_path)
    own.write_text(own.read_text().replace("start: cat", "start: cat /etc/passwd", 1))
    with pytest.raises(BadInput) as bad:
        choose("", "open", own_tools=[own])
    assert "own.yaml:6:" in str(bad.value)
    assert "paths inside the run's folder only" in str(bad.value)


def test_a_scenario_without_a_probe_for_tools_is_refused(tmp_path: Path) -> None:
    scenario = tmp_path / "none.yaml"
    scenario.write_text(
        "title: t\ntopology: {use: single}\nservices: {}\nclients: {}\nprobes: {}\n"
    )
    with pytest.raises(BadInput, match="no probe fetches or resolves something"):
        choose("", "open", str(scenario), own_tools=[own_tool(tmp_path)])


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/x", "-1/2", "1/0"])
def test_a_shard_is_i_of_n(text: str) -> None:
    with pytest.raises(Refusal, match="expected i/n"):
        shard_of(text)


def test_a_tool_without_a_file_is_its_commands(tmp_path: Path) -> None:
    program = tmp_path / "my-near"
    shutil.copy("/bin/cat", program)
    commands = Commands(client=f"{program} -b 127.0.0.1", socks="1080")
    chosen = choose("wireguard", "open", commands=commands)
    tools = [*chosen.table.tools, *chosen.skipped]
    assert set(tools) == {"wireguard", "my-near"}
    assert "${client_program}" in (chosen.table.tool_files or {})["my-near"]
    assert chosen.table.tools["my-near"].given["client_program"] == str(program)


def test_half_a_tool_without_a_file_is_refused() -> None:
    with pytest.raises(BadInput, match="exactly one of --socks"):
        choose("wireguard", "open", commands=Commands(client="cat"))
