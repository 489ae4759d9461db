"""Writes the made pages of the documentation beside the written ones."""

from __future__ import annotations

from pathlib import Path

from filterlab.reference import library, pages
from filterlab.reference.explained import explained
from filterlab.runner.catalogue import Schema, schema
from filterlab.scenario import source

_OPENINGS = {
    Schema.SCENARIO: (
        "The scenario file",
        "What every key of a [scenario](../write-a-scenario.md) means.",
    ),
    Schema.POLICY: (
        "The policy file",
        "What every key of a [policy](../write-a-policy.md) means. The keys of `when`"
        " are [fields](conditions.md).",
    ),
    Schema.TOOL: (
        "The tool file",
        "What every key of a [tool](../bring-your-tool.md) means. Commands and files"
        " are templates: `${server_address}`, `${port}`, `${folder}`, and the names of"
        " secrets, certificates and keys stand for their values.",
    ),
    Schema.STRATEGY: (
        "The strategy file",
        "What every key of a named strategy means; there are [some](strategies.md).",
    ),
}
_COMMON = (
    "Keys that begin with `x-` are your own, and passed over. `filterlab check FILE`"
    " says all that is wrong; `filterlab schema {}` prints this as a JSON Schema, for"
    " your editor."
)


def made_pages(keys: Path) -> dict[str, str]:
    """Every made page by its path below the documentation's folder.

    `keys` is the folder of what is said of each key.
    """
    made = {
        f"reference/{of}.md": pages.key_page(
            title,
            f"{opening} {_COMMON.format(of)}",
            of,
            schema(of),
            explained(keys / f"{of}.yaml"),
        )
        for of, (title, opening) in _OPENINGS.items()
    }
    examples = source.read(keys / "conditions.yaml").plain()
    made["reference/conditions.md"] = pages.condition_page(examples)
    made["reference/tools.md"] = library.tool_page()
    made["reference/strategies.md"] = library.strategy_page()
    made["reference/topologies.md"] = library.topology_page()
    made["reference/recognisers.md"] = library.recogniser_page()
    for name, text in library.policy_pages().items():
        made[f"policies/{name}.md"] = text
    return made


def write(docs: Path) -> None:
    """Write what has changed, and take away what is made no more."""
    made = made_pages(docs / "keys")
    for folder in {str(Path(name).parent) for name in made}:
        for old in (docs / folder).glob("*.md"):
            if old.relative_to(docs).as_posix() not in made:
                old.unlink()
    for name, text in made.items():
        page = docs / name
        if not page.exists() or page.read_text("utf-8") != text:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text, "utf-8")
