"""What a strategy is to those who only apply it: a text, and which way it works.

The text is DNA, or one of the few words for what DNA cannot say.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from filterlab.strategies.actions import doubts
from filterlab.strategies.decoys import QuicDecoy
from filterlab.strategies.drawing import drawn
from filterlab.strategies.notation import Tamper, Trace
from filterlab.strategies.parser import parse
from filterlab.strategies.records import RecordFragmentation
from filterlab.strategies.running import Manipulation, Running
from filterlab.strategies.splitting import SplitAtName

# word -> how to make it, and whether it has to do with packets that come
BUILTINS: dict[str, tuple[Callable[[Random], Manipulation], bool]] = {
    "quic-decoy": (QuicDecoy, False),
    "split-at-name": (lambda _: SplitAtName(), False),
    "tls-record-fragmentation": (lambda _: RecordFragmentation(), True),
}

# What no packet can be given, as both ends hash it: the client's own TLS has to do it.
HELLO_PADDING = "hello-padding"
# Longer than any segment, so that no ClientHello fits in one.
HELLO_PADDING_BYTES = 1500


def manipulation(
    text: str, seed: str, attempt: int, say: Callable[[str], None]
) -> Manipulation:
    """What applies a strategy; `say` is told what fits no packet, and what was drawn.

    What a strategy leaves to chance is drawn once for all attempts of a run.
    """
    random = Random(f"{seed} {attempt}")
    if text in BUILTINS:
        return BUILTINS[text][0](random)
    for doubt in doubtful(text):
        say(doubt)
    return Running(drawn(parse(text), Random(seed), say), random, say)


def doubtful(text: str) -> list[str]:
    """What a strategy does not do though it is written: Geneva's parser takes it."""
    if text in BUILTINS or text == HELLO_PADDING:
        return []
    return [doubt for action in parse(text).actions() for doubt in doubts(action)]


def directions(text: str) -> tuple[bool, bool]:
    """Whether a strategy concerns packets that leave, and packets that come."""
    if text in BUILTINS:
        return True, BUILTINS[text][1]
    strategy = parse(text)
    return bool(strategy.outbound), bool(strategy.inbound)


def lowers_ttl(text: str) -> bool:
    """Whether packets may die on their way, so that routers send word of it."""
    if text in BUILTINS:
        return False
    return any(
        isinstance(act, Trace)
        # one that is left to chance has no protocol, and may become that of the TTL
        or (isinstance(act, Tamper) and (act.field == "ttl" or act.protocol is None))
        for tree in parse(text).outbound
        if tree.action
        for act in tree.action.walk()
    )
