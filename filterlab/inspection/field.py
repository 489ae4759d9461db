"""One key of a rule's `when`: its kind, its Wireshark name, and who finds it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a field's values are written and compared."""

    NAME = "host name"
    NETWORK = "address or network"
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Field:
    """One key of `when`: what it means, how it compares, and who finds it."""

    key: str
    wireshark: str  # "none" where Wireshark has nothing like it
    kind: Kind
    recogniser: str | None  # None: read from the packet's own headers
    meaning: str
    choices: tuple[str, ...] = ()
    most: int | None = None  # the largest number that makes sense
    other_names: tuple[str, ...] = ()
    in_quic: bool = False  # also found by the recogniser `quic`, in a box that opens it
