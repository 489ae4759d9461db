"""`filterlab replay POLICY CAPTURE...`: the words of the command line made a replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path

from filterlab.policy.rules import Policy
from filterlab.replay.dissection import explain
from filterlab.replay.feed import Network
from filterlab.replay.story import NoCapture, Replay
from filterlab.replay.text import as_json_lines, as_text
from filterlab.scenario import content
from filterlab.scenario.policies import load_policy

__all__ = ["NoCapture", "replay"]


def replay(
    policy: str,
    captures: Sequence[Path],
    inside: Sequence[str] = (),
    seed: int = 1,
    as_json: bool = False,
    frame: int | None = None,
) -> Iterator[str]:
    """The lines to print; raises BadInput and NoCapture before the first of them.

    With `frame`, they tell what each recogniser saw of that frame's flow instead.
    """
    again = Replay(find_policy(policy), captures, [*map(_network, inside)], seed)
    if frame is not None:
        try:
            yield from explain(again.feed, frame)
        except LookupError as why:
            raise NoCapture(f"{captures[0]}: error: {why.args[0]}") from None
        return
    yield from as_json_lines(again) if as_json else as_text(again)


def find_policy(named: str) -> Policy:
    """A policy by its file, or by the name that `list policies` shows."""
    path = Path(named)
    if not path.exists():
        path = content.policies().get(named, path)
    return load_policy(path, content.shown(path))


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as why:
        expected = "a network such as 100.64.0.0/10"
        raise NoCapture(f"--inside: error: {why}; expected {expected}") from None
