"""The throughput step: how fast a body comes, from its first byte on.

Bounded by bytes or by time, whichever ends first; running out of time is no failure
as long as something came. A silence at the end counts as time: that is what a
throttled flow looks like.
"""

from __future__ import annotations

import time

from filterlab.probes.fetch import Body, Exchange


def measure(exchange: Exchange, body: Body) -> float:
    """Read the body until its limit or the exchange's deadline; the rate in kbit/s."""
    began = time.monotonic()
    ended_by_itself = True
    try:
        exchange.read_into(body)
    except TimeoutError:
        if body.first_at is None:
            raise
        ended_by_itself = False
    if body.first_at is None or body.last_at is None:
        raise EOFError("an empty body has no rate")
    end = body.last_at if ended_by_itself else time.monotonic()
    size, since = body.size - body.first_size, body.first_at
    if size == 0:  # all came at once: then its own way here is the time it took
        size, since = body.size, began
    return size * 8 / 1000 / max(end - since, 1e-6)
