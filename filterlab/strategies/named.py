"""What a strategy is to those who only apply it: a text, and which way it works.

The text is DNA, or one of the few words for what DNA cannot say.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from filterlab.strategies.decoys import QuicDecoy
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


def manipulation(text: str, random: Random, say: Callable[[str], None]) -> Manipulation:
    """What applies a strategy; `say` is told of values that fit no packet."""
    if text in BUILTINS:
        return BUILTINS[text][0](random)
    return Running(parse(text), random, say)


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
    trees = parse(text).outbound
    acts = [act for tree in trees if tree.action for act in tree.action.walk()]
    return any(
        isinstance(act, Trace) or (isinstance(act, Tamper) and act.field == "ttl")
        for act in acts
    )
