"""Remembers whom a box goes on blocking after a rule has struck, and until when.

Source: Bock et al., "Your Censor is My Censor" (WOOT 2021), Table I: 2-, 3- and
4-tuple blocking, with and without re-arming, by null route or by forged resets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from filterlab.inspection.flow import Ends
from filterlab.policy.rules import Policy, Probe, Residual, Rule, Width

Key = tuple[Width, tuple[int | bytes, ...]]


@dataclass(slots=True)
class Block:
    """One block: why, since when, until when. Numbers grow from 1."""

    number: int
    rule: Rule
    residual: Residual
    finding: Mapping[str, str]
    starts: float
    seconds: float
    ends: float = field(init=False)
    settled: bool = False  # a switch has been told
    begins_at_once: bool = True

    def __post_init__(self) -> None:
        self.ends = self.starts + self.seconds


class Blocks:
    """All blocks in force, found by the ends of a flow."""

    __slots__ = ("_count", "_kinds", "by_key")

    def __init__(self, policy: Policy) -> None:
        kinds = {rule.residual.key for rule in policy.rules if rule.residual}
        kinds |= {
            rule.then.block.key
            for rule in policy.rules
            if isinstance(rule.then, Probe) and rule.then.block
        }
        self._kinds: tuple[Width, ...] = tuple(sorted(kinds))
        self.by_key: dict[Key, Block] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self.by_key)

    def add(
        self,
        rule: Rule,
        residual: Residual,
        ends: Ends,
        chance: Callable[[], float],
        now: float,
        why: Mapping[str, str],
    ) -> Block:
        """Begin a block, or begin it again; one that is yet to begin stays as it is."""
        key = key_of(residual.key, ends)
        waiting = self.by_key.get(key)
        if waiting is not None and waiting.rule is rule and now < waiting.starts:
            return waiting
        seconds = residual.seconds
        if residual.most_seconds is not None:
            seconds += chance() * (residual.most_seconds - seconds)
        self._count += 1
        onset = residual.onset_seconds
        if residual.most_onset_seconds is not None:
            onset += chance() * (residual.most_onset_seconds - onset)
        starts = now + onset
        block = Block(self._count, rule, residual, why, starts, seconds)
        block.begins_at_once = not onset
        self.by_key[key] = block
        return block

    def find(self, ends: Ends, from_client: bool, now: float) -> Block | None:
        """The block that a packet meets, which may make it last longer."""
        for kind in self._kinds:
            key = key_of(kind, ends)
            block = self.by_key.get(key)
            if block is None or now < block.starts:
                continue
            if now >= block.ends:
                del self.by_key[key]
                continue
            residual = block.residual
            if not (residual.to_server if from_client else residual.to_client):
                continue
            if residual.rearm:
                block.ends = now + block.seconds
            return block
        return None

    def expire(self, now: float) -> None:
        """Forget the blocks whose time is over."""
        over = [key for key, block in self.by_key.items() if now >= block.ends]
        for key in over:
            del self.by_key[key]


def key_of(kind: Width, ends: Ends) -> Key:
    """What of a flow's ends counts: equal for all that a block of this kind is for."""
    protocol, client, client_port, server, server_port = ends
    if kind == "client":
        return kind, (client,)
    if kind == "server":
        return kind, (server,)
    if kind == "server-port":
        return kind, (protocol, server, server_port)
    if kind == "2-tuple":
        return kind, (client, server)
    if kind == "3-tuple":
        return kind, (protocol, client, server, server_port)
    return kind, (protocol, client, client_port, server, server_port)
