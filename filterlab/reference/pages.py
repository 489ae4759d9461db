"""Turns sections of keys and conditions into pages of Markdown, in MyST's dialect.

Source: MyST's targets and tables, https://myst-parser.readthedocs.io/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from filterlab.inspection.fields import FIELDS, Field, Kind
from filterlab.reference.explained import Explained, Explanation, flow
from filterlab.reference.keys import Key, Section, anchor, sections

MADE = "<!-- Made by filterlab.reference: change the schema or docs/keys instead. -->\n"
_USUAL = {Kind.NAME: "blocked.example", Kind.NETWORK: "198.18.0.0/15"}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; a bar in a cell is none of the table's."""
    head = tuple(head)
    lines = [head, ("---",) * len(head), *(tuple(row) for row in rows)]
    return "\n".join(
        "| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def key_page(
    title: str,
    opening: str,
    prefix: str,
    schema: dict[str, Any],
    said: Explained,
) -> str:
    """The reference of one kind of file: a section for each mapping in it."""
    parts = [MADE, f"# {title}", opening]
    for section in sections(schema, prefix):
        # The fields of a condition have a page of their own.
        keys = section.keys
        if section.model == "Condition":
            keys = tuple(key for key in keys if key.name not in FIELDS)
        parts += _section(section, keys, said.get(section.model, {}), prefix)
    return "\n\n".join(parts) + "\n"


def _section(
    section: Section,
    keys: tuple[Key, ...],
    said: dict[str, Explanation],
    prefix: str,
) -> Iterator[str]:
    heading = f"`{section.path}`" if section.path else "The file"
    yield f"({anchor(prefix, section.path)})=\n## {heading}"
    yield section.about.partition("\n\n")[0]
    if section.model == "Condition":
        yield "Every other key is a [field](conditions.md) of what the box saw."
    if not keys:
        return
    rows = [_row(key, said.get(key.name)) for key in keys]
    yield table(("key", "what it means", "what it holds", "example"), rows)
    for key in keys:
        if key.words:
            words = ", ".join(f"`{word}`" for word in key.words)
            yield f"The words of `{key.name}`: {words}."


def _row(key: Key, said: Explanation | None) -> tuple[str, ...]:
    held = key.held
    if key.needed:
        held += "; **needed**"
    if key.default:
        held += f"; left out: {key.default}"
    if said is None:  # a test names it; a page with a gap still is a page
        return f"`{key.name}`", "", held, ""
    return f"`{key.name}`", said.means, held, f"`{key.name}: {flow(said.example)}`"


def fields() -> dict[str, Field]:
    """The keys of `when`, without their other names."""
    return {field.key: field for field in FIELDS.values()}


def example_of(field: Field, said: dict[str, Any]) -> Any:
    """A value to look for, as it is written."""
    if field.key in said:
        return said[field.key]
    if field.choices:
        return field.choices[0]
    return _USUAL[field.kind]


def condition_page(said: dict[str, Any]) -> str:
    """The reference of conditions: every key, its Wireshark name, and who finds it."""
    rows = [
        (
            f"`{field.key}`" + "".join(f", `{name}`" for name in field.other_names),
            field.meaning,
            _values(field),
            "none" if field.wireshark == "none" else f"`{field.wireshark}`",
            _finder(field),
            f"`{field.key}: {flow(example_of(field, said))}`",
        )
        for field in fields().values()
    ]
    head = ("key", "what it is", "values", "in Wireshark", "found by", "example")
    return "\n\n".join((MADE, "# Conditions", _CONDITIONS, table(head, rows))) + "\n"


def _values(field: Field) -> str:
    if field.choices:
        return ", ".join(f"`{choice}`" for choice in field.choices)
    most = f", up to {field.most:,}" if field.most is not None else ""
    return str(field.kind) + most


def _finder(field: Field) -> str:
    if field.recogniser is None:
        return "the packet's headers"
    if not field.recogniser:
        return "all recognisers"
    return f"`{field.recogniser}`" + (", `quic`" if field.in_quic else "")


_CONDITIONS = f"""\
A rule's `when` maps fields to values. Several keys must all hold; several values of one
key are alternatives; `any`, `all` and `not` join conditions. A list may come from a
file beside the policy, one value a line: `tls.sni: {{file: list.txt}}`.

- **{Kind.NAME}**: `news.example` is that name alone, `*.news.example` every name below
  it, `*` any name.
- **{Kind.NETWORK}**: `198.18.0.1`, `198.18.0.0/15`, `2001:db8::/32`.
- **{Kind.NUMBER}**: `443`, or a range, `6881-6889`.
- **{Kind.TEXT}**: compared as it stands; `*` at either end stands for anything.

Keys have Wireshark's names where Wireshark has the field: what a rule looks for can be
put into its display filter. The others have a dash there."""
