"""What came of one program that was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether a program got through, and whom it talked to.

    `client` are the addresses of the censored side, `peers` those that it had business
    with: the tool's hosts, or the server where there are none. `failure` says why
    there is no capture, or why nothing was fetched.
    """

    name: str
    versions: str
    client: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    failure: str = ""
    captured: bool = False

    def as_json(self) -> dict[str, Any]:
        """For captures.json."""
        return asdict(self)


def trial_of(value: Mapping[str, Any]) -> Trial:
    """What `as_json` wrote."""
    lists = {key: tuple(value[key]) for key in ("client", "peers")}
    return Trial(**{**value, **lists})
