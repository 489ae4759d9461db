"""Recognisers of the user's own: a Python function, an ONNX model, or nDPI.

A policy names the file, and how many packets with a payload are looked at before it is
asked (fewer if the box stops looking earlier):

    recognisers:
      my-rule: {python: my_rule.py, function: recognise, packets: 10}
      my-model: {onnx: model.onnx, labels: [other, proxy], packets: 16}
      ndpi: {ndpi: yes}

The function is given the features of the flow by name (`features.NAMES`, as `vector`
describes them) and the client's first payload, and says what the flow is: a name for
`protocol`, True for the recogniser's own name, or nothing. A model is given the same
numbers as one row of float32, and answers with a label, with a number, or with a score
for each of the `labels`; the first of them means that it is nothing.

The file is read when a box is made ready, not when a policy is checked. What goes wrong
in it ends the box, with the recogniser's name: nothing is guessed in its place.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from filterlab.inspection.catalogue import RECOGNISERS
from filterlab.inspection.features import NAMES, Window, vector
from filterlab.inspection.flow import TCP, UDP
from filterlab.inspection.packet import Packet
from filterlab.inspection.recogniser import (
    NEED_DATA,
    NOT_MINE,
    Answer,
    Direction,
    Finding,
    Observer,
    Reading,
)
from filterlab.scenario import ndpi
from filterlab.scenario.item import Item
from filterlab.scenario.problem import quoted
from filterlab.scenario.source import Document
from filterlab.scenario.values import Truth, Unreadable, Words, whole_number

_PACKETS = 16
Judge = Callable[[Window], str | None]
"""Says what a flow is, from what was seen of it."""


class PluginError(Exception):
    """A recogniser of the user's own failed; says which, and why."""


class PluginText(Item):
    """A recogniser of the user's own, as a policy names it."""

    python: Words | None = None
    function: Words = "recognise"
    onnx: Words | None = None
    labels: list[Words] = Field(default_factory=list)
    ndpi: Truth = False
    packets: Annotated[int, whole_number(1, 1_000)] = _PACKETS

    @model_validator(mode="after")
    def _one_file(self) -> Self:
        named = [self.python, self.onnx, self.ndpi or None]
        if len(named) - named.count(None) != 1:
            says = "names no file" if not any(named) else "names two files"
            raise Unreadable("'python' or 'onnx'", says=says, kind="one-of")
        return self


@dataclass(frozen=True, slots=True)
class Plugin:
    """Where a recogniser of the user's own is, and how it is asked."""

    name: str
    file: Path
    function: str | None  # of a Python file; None for a model
    labels: tuple[str, ...]
    packets: int
    is_ndpi: bool = False

    def load(self) -> type[Observer]:
        """The recogniser; raises PluginError if it cannot be loaded."""
        return _load(self)


def plugins(
    written: dict[str, PluginText], document: Document, folder: Path
) -> tuple[Plugin, ...]:
    """What a policy names, with complaints about what cannot be there."""
    found = []
    for name, text in written.items():
        plugin = Plugin(
            name,
            (folder / (text.python or text.onnx or "")).resolve(),
            text.function if text.python is not None else None,
            tuple(text.labels),
            text.packets,
            text.ndpi,
        )
        why = _missing(plugin)
        if why is None:
            found.append(plugin)
            continue
        given = {"python": text.python, "onnx": text.onnx}
        key = next((key for key, file in given.items() if file is not None), "ndpi")
        message = f"the recogniser {quoted(name)} {why}"
        document.complain("own-recogniser", (*text.path, key), message)
    return tuple(found)


def _missing(plugin: Plugin) -> str | None:
    """What a recogniser lacks, without running any of it."""
    if plugin.name in RECOGNISERS:
        return "has the name of one that the lab has"
    if plugin.is_ndpi:
        return None if ndpi.library() is not None else ndpi.lacks()
    if not plugin.file.is_file():
        return f"needs {quoted(plugin.file.name)}, which is not there"
    if plugin.function is None:
        if find_spec("onnxruntime") is None:
            return "is an ONNX model: pip install onnxruntime"
        return None
    try:
        tree = ast.parse(plugin.file.read_bytes())
    except SyntaxError as error:
        return f"is not Python: line {error.lineno}: {error.msg}"
    except ValueError:  # a zero byte
        return "is not Python: it is no text"
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if plugin.function not in defined:
        return f"has no function {quoted(plugin.function)}"
    return None


@cache
def _load(plugin: Plugin) -> type[Observer]:
    if plugin.is_ndpi:
        return ndpi.recogniser(plugin.name, plugin.packets)
    try:
        judge = _python(plugin) if plugin.function else _onnx(plugin)
    except Exception as error:
        raise PluginError(f"{plugin.name} ({plugin.file}): {error}") from error

    class Own(_Own):
        __doc__ = f"{plugin.file.name}, a recogniser of the user's own."
        name: ClassVar[str] = plugin.name
        source: ClassVar[str] = str(plugin.file)
        _asked: ClassVar[tuple[Plugin, Judge]] = plugin, judge

    return Own


class _Own:
    """Watches a flow until it is time to ask."""

    name: ClassVar[str] = ""
    transports: ClassVar[frozenset[int]] = frozenset((TCP, UDP))
    byte_limit: ClassVar[int] = 65_535 * _PACKETS
    each_message: ClassVar[bool] = False
    source: ClassVar[str] = ""
    false_positives: ClassVar[str] = "as its author knows"
    _asked: ClassVar[tuple[Plugin, Judge]]

    def __init__(self, transport: int, reading: Reading) -> None:
        self._window = Window()

    def observe(
        self, packet: Packet, from_client: bool, now: float
    ) -> Finding | Answer:
        """Take the next packet."""
        self._window.add(packet, from_client, now)
        is_time = len(self._window.samples) >= self._asked[0].packets
        return self.conclude() if is_time else NEED_DATA

    def feed(self, direction: Direction, data: bytes) -> Finding | Answer:
        """Bytes alone have neither time nor size on the wire."""
        return NOT_MINE

    def conclude(self) -> Finding | Answer:
        """Ask; raises PluginError if there is no answer."""
        if not self._window.samples:
            return NOT_MINE
        plugin, judge = self._asked
        try:
            protocol = judge(self._window)
        except Exception as error:
            raise PluginError(f"{plugin.name} ({plugin.file}): {error!r}") from error
        return Finding(protocol, {}) if protocol else NOT_MINE


def _python(plugin: Plugin) -> Judge:
    space: dict[str, Any] = {"__name__": plugin.file.stem, "__file__": str(plugin.file)}
    code = compile(plugin.file.read_bytes(), str(plugin.file), "exec")
    exec(code, space)  # the user's own file, named by the user's own policy
    function = space[str(plugin.function)]

    def judge(window: Window) -> str | None:
        features = dict(zip(NAMES, vector(window), strict=True))
        said = function(features, window.first_payload)
        if said is None or isinstance(said, bool):
            return plugin.name if said else None
        if not isinstance(said, str):
            raise TypeError(f"it said {said!r}: a name, True or nothing was expected")
        return said

    return judge


def _onnx(plugin: Plugin) -> Judge:
    # Optional, and heavy: for those who have a model.
    numpy, runtime = import_module("numpy"), import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(
        str(plugin.file), options, providers=["CPUExecutionProvider"]
    )
    (given,) = session.get_inputs()
    output = session.get_outputs()[0].name

    def judge(window: Window) -> str | None:
        row = numpy.array([vector(window)], dtype=numpy.float32)
        said = numpy.asarray(session.run([output], {given.name: row})[0]).ravel()
        if said.dtype.kind in "UO":
            return _named(plugin, str(said[0]))
        number = int(said[0]) if said.size == 1 else int(said.argmax())
        return _numbered(plugin, number)

    return judge


def _named(plugin: Plugin, label: str) -> str | None:
    return None if plugin.labels and label == plugin.labels[0] else label


def _numbered(plugin: Plugin, number: int) -> str | None:
    if number == 0:
        return None
    return plugin.labels[number] if plugin.labels else plugin.name
