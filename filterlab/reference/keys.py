"""Turns a JSON Schema into sections of keys, in the order in which a file has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
_MANY = 12  # more words than this stand below the table instead of in it


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a mapping; `held` says in words what it may hold."""

    name: str
    held: str
    needed: bool
    default: str
    words: tuple[str, ...]  # all that it may say, where they are too many for a cell


@dataclass(frozen=True, slots=True)
class Section:
    """One mapping of a file: the path of keys that leads there, and its own keys."""

    model: str
    path: str
    about: str
    keys: tuple[Key, ...]


def sections(schema: Schema, prefix: str) -> Iterator[Section]:
    """Every mapping that a file may have, each once, at the first path to it."""
    defined = schema.get("$defs", {})
    waiting: list[tuple[str, Schema, str]] = [(schema["title"], schema, "")]
    seen = {schema["title"]}
    found = []
    while waiting:
        model, here, path = waiting.pop(0)
        found.append((model, here, path))
        for name, part in here.get("properties", {}).items():
            for reference in _references(part):
                if reference not in seen and defined[reference].get("properties"):
                    seen.add(reference)
                    below = f"{path}.{name}" if path else name
                    waiting.append((reference, defined[reference], below))
    paths = {model: path for model, _, path in found}
    for model, here, path in found:
        keys = tuple(_keys(here, paths, prefix))
        yield Section(model, path, here.get("description", ""), keys)


def anchor(prefix: str, path: str) -> str:
    """The target of links to a section."""
    return f"{prefix}-{path}".replace(".", "-").replace("_", "-").rstrip("-")


def _references(part: Schema) -> Iterator[str]:
    """The models that a key's value may be."""
    if "$ref" in part:
        yield part["$ref"].rpartition("/")[2]
    for inner in (part.get("items"), part.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from _references(inner)
    for inner in part.get("anyOf", ()):
        yield from _references(inner)


def _keys(here: Schema, paths: dict[str, str], prefix: str) -> Iterator[Key]:
    needed = set(here.get("required", ()))
    for name, part in here.get("properties", {}).items():
        words = tuple(_words(part))
        yield Key(
            name,
            _held(part, paths, prefix),
            name in needed,
            _default(part),
            words if len(words) > _MANY else (),
        )


def _words(part: Schema) -> Iterator[str]:
    yield from part.get("enum", ())
    for inner in part.get("anyOf", ()):
        yield from _words(inner)


def _held(part: Schema, paths: dict[str, str], prefix: str) -> str:
    if "$ref" in part:
        model = part["$ref"].rpartition("/")[2]
        if model not in paths:
            return "nothing more"
        return f"[a mapping](#{anchor(prefix, paths[model])})"
    if "anyOf" in part:
        kinds = [p for p in part["anyOf"] if p.get("type") != "null"]
        return " or ".join(dict.fromkeys(_held(p, paths, prefix) for p in kinds))
    if "enum" in part:
        if len(part["enum"]) > _MANY:
            return "one of the words below"
        return ", ".join(f"`{word}`" for word in part["enum"])
    return _typed(part, paths, prefix)


def _typed(part: Schema, paths: dict[str, str], prefix: str) -> str:
    match part.get("type"):
        case "array":
            inside = part.get("items", {})
            return f"a list: {_held(inside, paths, prefix)}" if inside else "a list"
        case "object":
            inside = part.get("additionalProperties")
            if isinstance(inside, dict):
                return f"names, each with {_held(inside, paths, prefix)}"
            return "a mapping"
        case "boolean":
            return "yes or no"
        case "integer" | "number":
            kind = "a whole number" if part["type"] == "integer" else "a number"
            if "minimum" in part and "maximum" in part:
                return f"{kind}, {part['minimum']:,} to {part['maximum']:,}"
            return kind
        case _ if part.get("examples"):
            return "text such as " + " or ".join(f"`{e}`" for e in part["examples"])
        case _:
            return "a date" if part.get("format") == "date" else "text"


_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def _default(part: Schema) -> str:
    said = part.get("default")
    if "enum" in part and said not in part["enum"] and not isinstance(said, list):
        return ""  # written otherwise than it is held: what it means says it
    match part.get("examples"):
        case ["10s", *_] if said:
            size, unit = next((s, u) for s, u in _UNITS if said % s == 0)
            return f"{said / size:g}{unit}"
        case ["22:00"] if said is not None:
            return f"{said // 3600:02}:{said % 3600 // 60:02}"
        case ["10 MB"] if said:
            return f"{said / 1e6:g} MB"
    match said:
        case None | "" | [] | {}:
            return ""
        case bool(truth):
            return "yes" if truth else "no"
        case list(several):
            return ", ".join(map(str, several))
        case dict():
            return ""
        case value:
            return f"{value:g}" if isinstance(value, float) else str(value)
