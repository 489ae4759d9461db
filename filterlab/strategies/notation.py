"""A strategy as a value, and how it is written: Geneva's DNA.

A strategy has an outbound and an inbound forest; a tree has a trigger and actions.
What is printed is what Geneva prints: numbers without needless digits, and what was
left out with its default (`sleep` is `sleep{1}`). Where Geneva's print would mean
something else than what was read, the text that was read is printed: a trigger's `*`,
which Geneva leaves out, and what it draws by chance as it reads (`tamper`, `fragment`).
The notation: "Geneva: Evolving Censorship Evasion Strategies" (CCS 2019), section 4,
and the README of github.com/Kkevsterrr/geneva.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BETWEEN = r"\/"  # parts the outbound forest from the inbound one


@dataclass(frozen=True, slots=True)
class Trigger:
    """Which packets a tree is for, and how often: `TCP:flags:PA` or `TCP:flags:S:1`.

    Gas above zero is how often it fires; gas below zero, how often it holds back first.
    """

    protocol: str
    field: str
    value: str
    gas: int | None = None

    def __str__(self) -> str:
        written = f"{self.protocol}:{self.field}:{self.value}"
        return written if self.gas is None else f"{written}:{self.gas}"


@dataclass(frozen=True, slots=True)
class Action:
    """What is done to a packet, and what is done then; None as a branch sends."""

    left: Action | None = None
    right: Action | None = None

    @property
    def head(self) -> str:
        """The action itself as it is written, without its branches."""
        return type(self).__name__.lower()

    def __str__(self) -> str:
        return _written(self)

    def walk(self) -> Iterator[Action]:
        """This action and all below it."""
        left_over: list[Action] = [self]
        while left_over:
            action = left_over.pop()
            yield action
            branches = (action.right, action.left)
            left_over += [branch for branch in branches if branch is not None]


def _written(action: Action | None) -> str:
    """An action and all below it; `str` of each would go twice as deep."""
    if action is None:
        return ""
    if action.left is None and action.right is None:
        return action.head
    return f"{action.head}({_written(action.left)},{_written(action.right)})"


@dataclass(frozen=True, slots=True)
class Send(Action):
    """Let the packet go; what an empty branch does as well."""


@dataclass(frozen=True, slots=True)
class Drop(Action):
    """Let the packet vanish."""


@dataclass(frozen=True, slots=True)
class Duplicate(Action):
    """Two of the packet: one for each branch."""


@dataclass(frozen=True, slots=True)
class Tamper(Action):
    """Change one field: `replace`, `corrupt` (at random), `add`, or `compress`.

    Without a protocol all is left to chance, and so is the value that ways other than
    `corrupt` and `compress` lack. Any other word does what `replace` does.
    """

    protocol: str | None = None
    field: str = ""
    how: str = ""
    value: str | None = None

    @property
    def head(self) -> str:
        """The action itself as it is written, without its branches."""
        if self.how == "compress":  # it knows one field only, whatever was written
            return "tamper{DNS:qd:compress}"
        if self.protocol is None:
            return "tamper"
        parts = [self.protocol, self.field, self.how]
        if self.value is not None:
            parts.append(self.value)
        return "tamper{" + ":".join(parts) + "}"


@dataclass(frozen=True, slots=True)
class Fragment(Action):
    """Cut a packet in two: TCP segments at a byte, or IP fragments at 8 times that."""

    layer: str = "tcp"
    at: int = -1  # -1 is in the middle
    in_order: bool | None = None  # None leaves it to chance
    overlap_bytes: int = 0

    @property
    def head(self) -> str:
        """The action itself as it is written, without its branches."""
        if self.in_order is None:
            return "fragment"
        more = f":{self.overlap_bytes}" if self.overlap_bytes else ""
        return f"fragment{{{self.layer}:{self.at}:{self.in_order}{more}}}"


@dataclass(frozen=True, slots=True)
class Sleep(Action):
    """Hold a packet back for some seconds."""

    seconds: str = "1"

    @property
    def head(self) -> str:
        """The action itself as it is written, without its branches."""
        return f"sleep{{{self.seconds}}}"


@dataclass(frozen=True, slots=True)
class Trace(Action):
    """Send a packet with one TTL after the other, once; `last_ttl` is the first not.

    With TTLs that are no numbers (`unusable`) it sends nothing.
    """

    first_ttl: int = 1
    last_ttl: int = 64
    unusable: str = ""

    @property
    def head(self) -> str:
        """The action itself as it is written, without its branches."""
        if self.unusable:
            return f"trace{{{self.unusable}}}"
        return f"trace{{{self.first_ttl}:{self.last_ttl}}}"


@dataclass(frozen=True, slots=True)
class Tree:
    """A trigger and what is done to the packets that pull it."""

    trigger: Trigger
    action: Action | None = None

    def __str__(self) -> str:
        actions = f"{self.action}-" if self.action is not None else ""
        return f"[{self.trigger}]-{actions}|"


@dataclass(frozen=True, slots=True)
class Strategy:
    """The trees for packets that leave a host, and those for packets that come."""

    outbound: tuple[Tree, ...] = ()
    inbound: tuple[Tree, ...] = ()

    def actions(self) -> Iterator[Action]:
        """All actions of all trees."""
        for tree in (*self.outbound, *self.inbound):
            if tree.action is not None:
                yield from tree.action.walk()

    def __str__(self) -> str:
        forests = (*map(str, self.outbound), BETWEEN, *map(str, self.inbound))
        return " ".join(forests)
