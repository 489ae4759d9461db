"""Turns the moments of a timeline into phases: stretches in which nothing changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class MomentLike(Protocol):
    """What a phase is made from; `filterlab.scenario.schema.Moment` is one."""

    @property
    def at_seconds(self) -> float: ...
    @property
    def phase(self) -> str | None: ...
    @property
    def exchanges(self) -> tuple[str, ...]: ...
    @property
    def policy(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of the timeline, and the policy in force at each exchange.

    An exchange that no moment has named yet is missing: it forwards everything.
    """

    name: str
    at_seconds: float
    policies: Mapping[str, str]  # exchange -> policy id
    named: bool  # by the file, and not after its policies


def meant_by(word: str, phases: Sequence[Phase]) -> tuple[Phase, ...]:
    """The phases that an expectation's `during` means.

    The name that the file gives a phase comes first, then the policies in force.
    """
    called = tuple(phase for phase in phases if phase.name == word)
    if any(phase.named for phase in called):
        return called
    return tuple(p for p in phases if p.name == word or word in p.policies.values())


def phases_of(
    moments: Sequence[MomentLike], exchanges: Sequence[str]
) -> tuple[Phase, ...]:
    """The phases of a timeline; `all` means every one of `exchanges`."""
    phases: list[Phase] = []
    taken: set[str] = set()
    in_force: dict[str, str] = {}
    by_time: dict[float, list[MomentLike]] = {}
    for moment in moments:
        by_time.setdefault(moment.at_seconds, []).append(moment)
    for at_seconds, together in by_time.items():
        for moment in together:
            for name in moment.exchanges:
                names = exchanges if name == "all" else [name]
                in_force.update(dict.fromkeys(names, moment.policy))
        given = next((m.phase for m in together if m.phase is not None), None)
        name = given or " + ".join(dict.fromkeys(m.policy for m in together))
        if name in taken:  # the same policies again, later
            again = (f"{name} {n}" for n in range(2, len(phases) + 3))
            name = next(other for other in again if other not in taken)
        taken.add(name)
        phases.append(Phase(name, at_seconds, dict(in_force), given is not None))
    return tuple(phases)
