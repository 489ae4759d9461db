"""How a matrix is cut into labs, and what a try depends on."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from filterlab.matrix.choice import choose
from filterlab.matrix.jobs import Table, cut, key, order
from filterlab.matrix.script import censor
from tests.matrix.test_choice import OWN


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Five tools under three policies, one of which strikes by chance."""
    files = []
    for number in range(5):
        files.append(tmp_path / f"own{number}.yaml")
        files[-1].write_text(OWN % "cat")
    (tmp_path / "chance.yaml").write_text(
        "title: A quarter\nsure: assumed\nposition: in_path\nrules:\n"
        "  - {name: lot, when: {tcp.dstport: 443}, then: drop, probability: 0.25}\n"
    )
    policies = f"open,cn-sni-rst,{tmp_path / 'chance.yaml'}"
    return choose("", policies, own_tools=files).table


def test_tools_share_a_network_but_where_chance_or_load_decides(table: Table) -> None:
    jobs = cut(table, 1)
    assert [len(job.tools) for job in jobs] == [5, 5, 1, 1, 1, 1, 1]
    assert {job.censor.name for job in jobs if len(job.tools) == 1} == {"chance"}
    assert all(len(job.tools) == 1 for job in cut(table, 1, share=False))


def test_every_worker_gets_a_lab(table: Table) -> None:
    few = replace(table, censors=table.censors[:1])
    assert [len(job.tools) for job in cut(few, 2)] == [2, 3]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 15])
@pytest.mark.parametrize("share", [True, False])
def test_shards_are_the_matrix_each_cell_once(
    table: Table, count: int, share: bool
) -> None:
    repeated = replace(table, repeat=2)
    cells = Counter(
        (cell, job.number)
        for index in range(1, count + 1)
        for job in cut(repeated, 2, (index, count), share)
        for cell in job.cells
    )
    assert set(cells.values()) == {1}
    assert {cell for cell, _ in cells} == set(repeated.cells)
    assert len(cells) == 2 * len(repeated.cells)


def test_a_lab_has_a_name_of_its_own(table: Table) -> None:
    jobs = cut(replace(table, repeat=2), 3)
    assert len({job.name for job in jobs}) == len(jobs)


def test_a_try_is_known_by_what_it_depends_on(table: Table, tmp_path: Path) -> None:
    job = cut(table, 1, share=False)[0]
    tool = job.tools[0]
    first = key(table, job, tool)
    assert key(table, cut(table, 1)[0], tool) == first  # shared or alone
    assert key(table, replace(job, number=2), tool) != first
    assert key(replace(table, seed=9), job, tool) != first
    assert key(table, replace(job, censor=table.censors[1]), tool) != first


def test_a_new_build_of_a_tool_is_another_tool(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "cat"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    job = cut(table, 1, share=False)[0]
    before = key(table, job, job.tools[0])
    program.write_text("#!/bin/sh\nexit 1\n")
    assert key(table, job, job.tools[0]) != before


def test_an_edited_policy_is_another_policy(table: Table, tmp_path: Path) -> None:
    job = cut(table, 1, share=False)[-1]
    before = key(table, job, job.tools[0])
    path = tmp_path / "chance.yaml"
    path.write_text(path.read_text().replace("0.25", "0.5"))
    edited = replace(job, censor=censor(path))
    assert key(table, edited, job.tools[0]) != before


def test_a_program_beside_a_tools_own_file_is_part_of_what_a_try_depends_on(
    tmp_path: Path,
) -> None:
    text = OWN.replace("{on: server, start: cat", "{on: server, start: '${here}/far'")
    assert text != OWN
    (tmp_path / "mine.yaml").write_text(text % "cat")
    program = tmp_path / "far"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    table = choose("", "open", own_tools=[tmp_path / "mine.yaml"]).table
    (job,) = cut(table, 1)
    before = key(table, job, "mine")
    told = json.loads(order(table, job, 1.0)["files"]["tools/mine.json"])
    assert told == {"here": str(tmp_path)}
    program.write_text("#!/bin/sh\nexec something else\n")
    assert key(table, job, "mine") != before
