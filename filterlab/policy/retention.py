"""What an operator must keep of its subscribers' connections, and for how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Records:
    """What the operator keeps of every connection, and for how long.

    A session is over after `silence_seconds` without a packet. Without `ports`, the
    log of an address translation names the shared address alone.
    """

    # A year, as the Belarusian rule has it (research, `by-2016-retention-log`).
    keep_seconds: float = 365 * 86_400.0
    silence_seconds: float = 120.0
    ports: bool = True
