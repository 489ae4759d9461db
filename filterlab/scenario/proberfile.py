"""Active probing, in YAML: what is looked for, when, and what becomes of it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from filterlab.policy.rules import Probe
from filterlab.scenario.item import Item
from filterlab.scenario.residualfile import ResidualText
from filterlab.scenario.values import Seconds, one_or_more, word_of

# What `filterlab.prober.judgement` can prove.
KINDS = ("openvpn", "socks", "http-proxy", "tor", "shadowsocks", "silent")


class ProbeText(Item):
    """What the prober looks for, and how long each of its two stages takes.

    Without `as` it looks for everything but silence, which is a poor proof.
    """

    as_: Annotated[
        tuple[Annotated[str, word_of(*KINDS)], ...], BeforeValidator(one_or_more)
    ] = Field(KINDS[:-1], alias="as")
    delay: Seconds = 0.0
    lag: Seconds = 0.0
    # Winter and Lindskog (FOCI 2012), 4.3: every quarter of an hour.
    again: Seconds = 900.0
    block: ResidualText | None = None

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """Nothing more to say is a mapping without keys."""
        return {} if value == "" else value

    def action(self) -> Probe:
        """The value that the engine works with."""
        block = None if self.block is None else self.block.residual()
        return Probe(self.as_, self.delay, self.lag, self.again, block)
