"""A condition for every recogniser there is, so that all of them are run.

What is asked for is seldom or never found: a flow stays undecided for as long as any
recogniser may still speak. That is the most that a policy can cost.
"""

from __future__ import annotations

from collections.abc import Iterator

from filterlab.inspection.catalogue import RECOGNISERS
from filterlab.inspection.field import Field, Kind
from filterlab.inspection.fields import FIELDS

NEVER = "never.example"
_NO_LENGTH = 65_535  # no payload in an IPv4 packet is as long as that
_PIECEWISE = FIELDS["tcp.payload"].recogniser  # a box that puts segments together
# has no use for it, and may not ask for it


def asked() -> Iterator[tuple[str, str]]:
    """Keys and values: one of each recogniser, or all protocols that it finds."""
    for name, recogniser in RECOGNISERS.items():
        fields = [field for field in FIELDS.values() if field.recogniser == name]
        if name == _PIECEWISE:
            continue
        chosen = min(fields, key=_preference, default=None)
        if chosen is not None and _preference(chosen) < _LAST:
            yield chosen.key, _value(chosen)
            continue
        protocols = getattr(recogniser, "protocols", (name,))
        yield from (("protocol", protocol) for protocol in protocols)
        if not protocols and chosen is not None:
            yield chosen.key, _value(chosen)


_LAST = 2


def _preference(field: Field) -> int:
    """Free texts first: what has numbers or choices may be found after all."""
    if field.kind in (Kind.NAME, Kind.TEXT) and not field.choices:
        return 0
    return _LAST


def _value(field: Field) -> str:
    if field.choices:
        return field.choices[0]
    return str(_NO_LENGTH) if field.kind is Kind.NUMBER else NEVER
