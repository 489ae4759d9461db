"""What reactions say about a server: of which kind it is, or that nothing is proved.

Sources as in `filterlab.prober.questions`; each rule says its own. A server that was
never reached is of no kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from filterlab.prober.questions import LONG_LENGTH, SHORT_LENGTHS
from filterlab.prober.reaction import Ending, Reaction

Reactions = Mapping[str, Reaction]

_HARD_RESET_SERVER_V2 = 8  # the opcode in the high five bits (openvpn, ssl_pkt.h)
_OPCODE_SHIFT = 3
_PROXY_STATUSES = (b"200", b"407", b"502", b"503", b"504")  # RFC 9110, 15
_SOCKS_METHODS = b"\x00\x01\x02\xff"  # RFC 1928, 3
_ENDS = (Ending.RESET, Ending.ENDED)


def _openvpn(seen: Reactions) -> bool:
    """It answers the reset; or, its key unknown to us, hangs up on a whole one only."""
    whole, short = seen["openvpn reset"], seen.get("openvpn reset, short")
    if whole.ending is Ending.DATA:
        opcode = whole.data[2:3] if short is not None else whole.data[:1]
        return bool(opcode) and opcode[0] >> _OPCODE_SHIFT == _HARD_RESET_SERVER_V2
    waits = short is not None and short.ending is Ending.TIMEOUT
    return waits and whole.ending in _ENDS


def _socks(seen: Reactions) -> bool:
    data = seen["socks5 greeting"].data
    return len(data) == 2 and data[0] == 5 and data[1] in _SOCKS_METHODS


def _http_proxy(seen: Reactions) -> bool:
    """It connects us, fails to, or asks who we are; a web server does none of these."""
    words = seen["http connect"].data.split(b" ", 2)
    return (
        words[0].startswith(b"HTTP/1.")
        and words[1:2] != []
        and (words[1] in _PROXY_STATUSES)
    )


def _tor(seen: Reactions) -> bool:
    """A VERSIONS cell comes back."""
    data = seen["tor versions"].data
    return data[:3] == b"\x00\x00\x07"


def _shadowsocks(seen: Reactions) -> bool:
    """It serves a replay, or hangs up only on what is long enough to be decrypted.

    Alice et al., table 5: Outline 1.0.6 to 1.0.8 answers an identical replay; libev
    before 3.3.1 resets from a length on that its cipher gives; later ones are silent,
    and prove nothing.
    """
    replayed = seen.get("replay")
    changed = seen.get("replay, changed")
    if replayed is not None and changed is not None:
        served = replayed.ending is Ending.DATA and changed.ending is not Ending.DATA
        if served:
            return True
    random = [seen[f"random {n}"].ending for n in (*SHORT_LENGTHS, LONG_LENGTH)]
    waits = next((n for n, e in enumerate(random) if e is not Ending.TIMEOUT), None)
    return bool(waits) and all(ending in _ENDS for ending in random[waits:])


def _silent(seen: Reactions) -> bool:
    """It takes connections, and never says a word, as few servers do (Frolov, 6)."""
    return all(reaction.ending is Ending.TIMEOUT for reaction in seen.values())


KINDS: Mapping[str, Callable[[Reactions], bool]] = {
    "openvpn": _openvpn,
    "socks": _socks,
    "http-proxy": _http_proxy,
    "tor": _tor,
    "shadowsocks": _shadowsocks,
    "silent": _silent,
}


def is_of(kind: str, seen: Reactions) -> bool:
    """Whether these reactions prove that a server is of a kind."""
    if not seen or all(r.ending is Ending.UNREACHED for r in seen.values()):
        return False
    return KINDS[kind](seen)
