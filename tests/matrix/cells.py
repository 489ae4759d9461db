"""Makes findings for the tests of what is done with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from filterlab.matrix.finding import CellId, Finding, Word
from filterlab.matrix.tally import Tally


def cell(tool: str = "wireguard", policy: str = "cn-sni-rst") -> CellId:
    return CellId("matrix", tool, policy)


def finding(word: Word = Word.WORKS, **more: Any) -> Finding:
    more.setdefault("cell", cell())
    if word not in (Word.WORKS, Word.UNKNOWN):
        more.setdefault("how", "reset after hello")
        more.setdefault("failure", "connection_reset")
        more.setdefault("rule", 'cn-sni-rst.yaml:26 "list"')
        more.setdefault("frame", 1412)
        more.setdefault("capture", "exchange-inside.pcapng")
        more.setdefault("after_seconds", 0.0)
    if word is Word.UNKNOWN:
        more.setdefault("why", "the server was not ready")
    return Finding(word=word, **more)


def tally(words: Sequence[Word], **more: Any) -> Tally:
    tries = [finding(word, number=n, **more) for n, word in enumerate(words, start=1)]
    return Tally(tries[0].cell, tuple(tries))


def several(works: int, blocked: int) -> Tally:
    return tally([Word.WORKS] * works + [Word.BLOCKED] * blocked)
