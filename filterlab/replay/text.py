"""Shows what a replay tells: a line a frame for people, or a JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address

from filterlab.inspection.flow import PROTOCOL_NAMES, FlowKey
from filterlab.replay.story import Replay, Told


def as_json_lines(replay: Replay) -> Iterator[str]:
    """Each line of the replay as JSON, then the summary."""
    for told in replay:
        yield json.dumps(told.as_json(), ensure_ascii=False)
    yield json.dumps(replay.summary.as_json(), ensure_ascii=False)


def as_text(replay: Replay) -> Iterator[str]:
    """Each line of the replay for people, then what it came to."""
    many = len(set(replay.feed.captures.tolist())) > 1
    for told in replay:
        yield _line(told, many)
    summary = replay.summary
    counts = [f"{count:,} {name}" for name, count in summary.decisions.items()]
    yield ""
    yield (
        f"{summary.frames:,} frames, {summary.bytes:,} bytes, {summary.flows:,} flows"
        f" over {summary.spans_seconds:,.1f} s: {', '.join(counts) or 'no IP flow'}"
    )
    rate = summary.frames / summary.seconds if summary.seconds else 0.0
    yield f"replayed in {summary.seconds:.2f} s, {rate:,.0f} frames/s"
    if summary.left_out:
        yield f"{summary.left_out:,} frames are the exchange's own, and were left out"
    if summary.unread:
        yield f"{summary.unread:,} frames are of a link type that is not read"
    for cut in summary.truncated:
        yield f"the capture is {cut}; everything before was read"


def _line(told: Told, many: bool) -> str:
    place = f"{told.capture} " if many else ""
    what = told.verdict.value
    why = ", ".join(f"{key} = {_shown(text)}" for key, text in told.finding.items())
    made = told.decision
    if made is not None:
        action = f" ({made.action})" if made.action != what else ""
        after = ", because of an earlier match" if made.residual else ""
        what += f'{action} by {made.source} "{made.rule}"{after}'
    return (
        f"{place}{told.frame:>7,}  {flow_text(told.flow)}  {what}"
        f"{'  ' if why else ''}{why}"
    )


def flow_text(flow: FlowKey) -> str:
    """A flow as people write it: protocol, client > server."""
    name = PROTOCOL_NAMES.get(flow.protocol, str(flow.protocol))
    client = _end(flow.client, flow.client_port)
    return f"{name} {client} > {_end(flow.server, flow.server_port)}"


def _end(address: bytes, port: int) -> str:
    shown = str(ip_address(address))
    if not port:
        return shown
    return f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"


def _shown(text: str) -> str:
    """A finding without anything that a terminal obeys."""
    return "".join(c if c.isprintable() else "?" for c in text)
