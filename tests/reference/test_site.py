"""The reference is whole, and every example in it is read as the lab reads files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter

from filterlab.inspection.fields import FIELDS
from filterlab.reference.explained import explained, flow
from filterlab.reference.keys import sections
from filterlab.reference.pages import example_of, fields, table
from filterlab.reference.site import made_pages, write
from filterlab.runner.catalogue import Schema, schema
from filterlab.scenario import content, source
from filterlab.scenario.item import Item
from filterlab.scenario.policies import load_policy
from filterlab.scenario.policyfile import PolicyFile
from filterlab.scenario.schema import Scenario
from filterlab.scenario.strategies import StrategyFile
from filterlab.tools.schema import ToolFile

KEYS = Path(__file__).parents[2] / "docs" / "keys"
EXAMPLES = source.read(KEYS / "conditions.yaml").plain()
ROOTS: dict[Schema, type[BaseModel]] = {
    Schema.SCENARIO: Scenario,
    Schema.POLICY: PolicyFile,
    Schema.TOOL: ToolFile,
    Schema.STRATEGY: StrategyFile,
}


def models(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """A model and all that its keys lead to, by name."""
    found: dict[str, type[BaseModel]] = {}
    waiting: list[Any] = [model]
    while waiting:
        part = waiting.pop()
        if isinstance(part, type) and issubclass(part, Item):
            if part.__name__ not in found:
                found[part.__name__] = part
                waiting += [info.annotation for info in part.model_fields.values()]
        else:
            waiting += getattr(part, "__args__", ())
    return found


def keys_of(of: Schema) -> dict[str, set[str]]:
    """The keys of each mapping, without the fields of conditions."""
    return {
        section.model: {key.name for key in section.keys} - set(FIELDS)
        if section.model == "Condition"
        else {key.name for key in section.keys}
        for section in sections(schema(of), of)
        if section.keys
    }


@pytest.mark.parametrize("of", ROOTS)
def test_each_key_is_explained_and_nothing_else_is(of: Schema) -> None:
    said = explained(KEYS / f"{of}.yaml")
    assert {model: set(keys) for model, keys in said.items()} == keys_of(of)


@pytest.mark.parametrize("of", ROOTS)
def test_each_example_is_what_its_key_wants(of: Schema) -> None:
    known = models(ROOTS[of])
    for model, keys in explained(KEYS / f"{of}.yaml").items():
        if model == "Condition":
            continue
        infos = {i.alias or n: i for n, i in known[model].model_fields.items()}
        for key, explanation in keys.items():
            info = infos[key]
            wanted: Any = Annotated[info.annotation, of, *info.metadata]
            TypeAdapter(wanted).validate_python(explanation.example)


def holds(tmp_path: Path, when: str) -> None:
    """A policy with this condition can be loaded."""
    file = tmp_path / "policy.yaml"
    file.write_text(
        f"title: one\nstack: segment\nrules: [{{when: {when}, then: record}}]\n"
    )
    assert load_policy(file).rules


@pytest.mark.parametrize("key", fields())
def test_each_field_of_a_condition_has_an_example(key: str, tmp_path: Path) -> None:
    holds(tmp_path, flow({key: example_of(fields()[key], EXAMPLES)}))


def test_only_fields_that_need_one_have_an_example_of_their_own() -> None:
    assert set(EXAMPLES) <= set(fields())


def test_conditions_join(tmp_path: Path) -> None:
    for key, said in explained(KEYS / "policy.yaml")["Condition"].items():
        holds(tmp_path, flow({key: said.example}))


def test_there_is_a_page_for_each_policy_and_a_row_for_each_tool() -> None:
    made = made_pages(KEYS)
    for name, path in content.policies().items():
        assert path.read_text() in made[f"policies/{name}.md"]
        assert f"[{name}]({name}.md)" in made["policies/index.md"]
    for name in content.tools():
        assert f"| `{name}` |" in made["reference/tools.md"]
    for name in content.strategies():
        assert f"| `{name}` |" in made["reference/strategies.md"]
    for name in content.topologies():
        assert f"## `{name}`" in made["reference/topologies.md"]


def test_a_page_that_is_made_no_more_goes(tmp_path: Path) -> None:
    (tmp_path / "keys").symlink_to(KEYS)
    (tmp_path / "written.md").write_text("by hand")
    gone = tmp_path / "policies" / "gone.md"
    gone.parent.mkdir()
    gone.write_text("made once")
    write(tmp_path)
    assert not gone.exists()
    assert (tmp_path / "written.md").exists()
    page = tmp_path / "reference" / "policy.md"
    before = page.stat().st_mtime_ns
    write(tmp_path)
    assert page.stat().st_mtime_ns == before


def test_a_bar_in_a_cell_parts_no_cells() -> None:
    assert table(("a",), [("x | y",)]).endswith("| x \\| y |")


def test_what_yaml_would_read_otherwise_is_quoted(tmp_path: Path) -> None:
    value = {"a": "x: y", "b": ["#1", "*.x", "10s", ""], "c": {}, "d": "[T]-| \\/"}
    file = tmp_path / "flow.yaml"
    file.write_text(f"all: {flow(value)}\n")
    assert source.read(file).plain() == {"all": value}
