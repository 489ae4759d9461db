"""Reads a document into models, and turns what does not fit into problems.

Every item of a model remembers its path in the document, so that a cross-check or a
result can still point at the line. Unknown keys that begin with `x-` are the
author's own and are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, TypeVar, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from filterlab.policy.rules import Source
from filterlab.scenario.problem import Place, did_you_mean, one_of, quoted
from filterlab.scenario.source import Document, Path_, spelled
from filterlab.scenario.values import Unreadable, WrongShape


class Item(BaseModel):
    """One mapping of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _path: Path_ = PrivateAttr(default=())
    _document: Document | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _own_keys_aside(cls, value: Any) -> Any:
        value = cls.unfold(value)
        if not isinstance(value, dict):
            raise WrongShape("a mapping: keys, each followed by ':'")
        return {key: v for key, v in value.items() if not key.startswith("x-")}

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A short form as the mapping that it stands for."""
        return value

    @property
    def path(self) -> Path_:
        """Where the item stands in its document."""
        return self._path

    @property
    def where(self) -> Source:
        """The file and line that the item stands on."""
        if self._document is None:
            return Source("", 0)
        return self._document.where(self._path)

    def place(self, *steps: str | int) -> Place:
        """The exact place of the item, or of a value in it."""
        if self._document is None:
            return Place("", 1, 1)
        return self._document.place(self._path + steps)

    def attach(self, document: Document, path: Path_) -> Self:
        """Remember where this item and all items in it were read from."""
        self._path, self._document = path, document
        for name, info in type(self).model_fields.items():
            key = info.alias or name
            for step, item in _items_in(getattr(self, name)):
                item.attach(document, (*path, key, *step))
        return self


ItemT = TypeVar("ItemT", bound=Item)


def _items_in(value: Any) -> Iterable[tuple[Path_, Item]]:
    if isinstance(value, Item):
        yield (), value
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            if isinstance(part, Item):
                yield (index,), part
    elif isinstance(value, dict):
        for key, part in value.items():
            if isinstance(part, Item):
                yield (key,), part


def validate(model: type[ItemT], document: Document) -> ItemT | list[Path_]:
    """The document as a model; or the paths that do not fit, each complained about."""
    try:
        return model.model_validate(document.plain()).attach(document, ())
    except ValidationError as failed:
        paths = []
        for error in failed.errors(include_url=False):
            paths.append(_complain(model, document, error))
        return paths


def _complain(model: type[Item], document: Document, error: Any) -> Path_:
    """Note one of pydantic's errors in words; the path that it is about."""
    kind, path = error["type"], tuple(error["loc"])
    on_key = bool(path) and path[-1] == "[key]"
    if on_key:
        path = path[:-1]
    name = spelled(path if on_key else document.known(path))
    if kind == "extra_forbidden":
        key, owner = str(path[-1]), spelled(path[:-1])
        keys = keys_at(model, path[:-1])
        document.complain(
            "unknown-key",
            path,
            f"{owner} has no key {quoted(key)}",
            on_key=True,
            expected=one_of(keys),
            help=did_you_mean(key, keys),
        )
    elif kind == "missing":
        message = f"{spelled(path[:-1])} lacks {quoted(str(path[-1]))}"
        document.complain("missing-key", path[:-1], message, on_key=True)
    elif kind == "value_error" and isinstance(error["ctx"]["error"], Unreadable):
        why: Unreadable = error["ctx"]["error"]
        says = f"{name} is {described(error['input'])}"
        if on_key:
            says = f"{spelled(path[:-1])} names {quoted(str(path[-1]))}"
        elif why.says:
            says = f"{name} {why.says}"
        document.complain(
            why.kind,
            path,
            says,
            on_key=on_key or bool(why.says),
            expected=why.expected,
            help=why.help,
        )
    else:
        shapes = {"dict_type": "a mapping: keys, each followed by ':'"}
        document.complain(
            "wrong-shape",
            path,
            f"{name} is {described(error['input'])}",
            expected=shapes.get(kind, "a list"),
        )
    return path


def described(value: Any) -> str:
    """A value as a message names it."""
    if not value:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else quoted(value)


def keys_at(model: type[Item], path: Path_) -> list[str]:
    """The keys that the mapping at a path may have."""
    here: Any = model
    steps = iter(path)
    for step in steps:
        fields = here.model_fields.items()
        found = next((f for name, f in fields if (f.alias or name) == step), None)
        if found is None or (item := _item_type(found.annotation)) is None:
            return []
        if get_origin(found.annotation) in (list, dict):
            next(steps, None)  # the index or the name of the item
        here = item
    return [info.alias or name for name, info in here.model_fields.items()]


def _item_type(annotation: Any) -> Any:
    """The item class inside an annotation such as `dict[str, Service]`."""
    if isinstance(annotation, type) and issubclass(annotation, Item):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if (found := _item_type(part)) is not None:
            return found
    return None
