"""The stack model of a policy file: how one box follows connections, in YAML.

stack:
  grade: segment
  teardown: [{flags: [R, RA], seq: exact}]
  resync: [{flags: SA, from: server, payload: yes, take: next, on: client-ack}]
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BeforeValidator, Field, model_validator

from filterlab.inspection.quic import VERSIONS
from filterlab.inspection.recogniser import QuicReading
from filterlab.inspection.tracking import Event, Next, Sender
from filterlab.policy.forge import flag_bits
from filterlab.policy.rules import Grade, StackModel
from filterlab.scenario.item import Item
from filterlab.scenario.values import (
    Reads,
    Seconds,
    Share,
    Truth,
    Unreadable,
    one_or_more,
    text,
    whole_number,
    word_of,
)


def flags(value: Any) -> str:
    """TCP flags by the letters of tcpdump and scapy (RFC 9293, 3.1)."""
    written = text(value).upper()
    if not re.fullmatch("[FSRPAUEC]+", written) or len(set(written)) != len(written):
        raise Unreadable("TCP flags by their letters, such as RA")
    return written


Flags = Annotated[str, Reads(flags)]
Several = BeforeValidator(one_or_more)
_Joins = Literal["datagrams", "packets", "frames", "nothing"]
_VERSIONS = tuple(version.name for version in VERSIONS.values())
_ON = word_of("any", "client", "client-ack", "server-syn-ack", "expected")


class TeardownText(Item):
    """Packets by which the box forgets a connection."""

    flags: Annotated[tuple[Flags, ...], Several] = ()
    sender: Annotated[str, word_of("client", "server", "either")] = Field(
        "either", alias="from"
    )
    seq: Annotated[str, word_of("any", "window", "exact", "unexpected")] = "any"
    match: Annotated[str, word_of("2-tuple", "4-tuple", "all")] = "4-tuple"
    payload: Truth | None = None
    opening: Truth | None = None
    probability: Share = 1.0

    def event(self) -> Event:
        """The event that the engine works with."""
        return Event(
            then="forget",
            flags=frozenset(map(flag_bits, self.flags)),
            sender=cast(Sender, self.sender),
            seq=cast(Literal["any", "window", "exact", "unexpected"], self.seq),
            match=cast(Literal["2-tuple", "4-tuple", "all"], self.match),
            payload=self.payload,
            opening=self.opening,
            probability=self.probability,
        )


class ResyncText(TeardownText):
    """Packets by which the box moves its place in a connection."""

    match: Annotated[str, word_of("4-tuple")] = "4-tuple"
    take: Annotated[str, word_of("this", "next")] = "this"
    on: Annotated[tuple[Annotated[str, _ON], ...], Several] = ("client",)
    reads: Truth = True

    def event(self) -> Event:
        """The event that the engine works with."""
        return replace(
            super().event(),
            then="sync" if self.take == "this" else "sync-next",
            on=cast(frozenset[Next], frozenset(self.on)),
            reads=self.reads,
        )


class QuicText(Item):
    """How a box reads QUIC; the short form is whether it opens it."""

    opens: Truth = True
    versions: (
        Annotated[tuple[Annotated[str, word_of(*_VERSIONS)], ...], Several] | None
    ) = None
    joins: Annotated[str, word_of("datagrams", "packets", "frames", "nothing")] = (
        "datagrams"
    )
    checks_header: Truth = True
    checks_tag: Truth = True
    empty_ids: Truth = True
    other_frames: Truth = True
    fills_empty: Truth = False

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A bare word says whether it opens QUIC."""
        return {"opens": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _nothing_unread(self) -> Self:
        if not self.checks_header and self.opens:
            expected = "'opens: no' beside it: such a box knows the version alone"
            raise Unreadable(expected, says="opens what it has not told apart")
        return self

    def reading(self) -> QuicReading:
        """The value that the recogniser works with."""
        versions = None if self.versions is None else frozenset(self.versions)
        given = self.model_dump(exclude={"versions", "joins"})
        return QuicReading(versions=versions, joins=cast(_Joins, self.joins), **given)


class StackText(Item):
    """How a box follows connections; the short form is its grade."""

    grade: Annotated[str, word_of(*Grade)] = Grade.TLS_RECORD.value
    needs_syn: Truth | None = None
    needs_syn_ack: Truth | None = None
    syn_anew: Truth | None = None
    checks_checksum: Truth | None = None
    checks_seq: Truth | None = None
    checks_ack: Truth | None = None
    checks_offset: Truth | None = None
    options: Annotated[str, word_of("any", "known", "none")] | None = None
    hops: Annotated[int, whole_number(0, 255, "a number of hops")] | None = None
    opened: Annotated[str, word_of("inside", "outside", "either")] | None = None
    reads: Annotated[str, word_of("client", "server", "both")] | None = None
    tells_ends: Truth | None = None
    out_of_order: Annotated[str, word_of("hold", "skip")] | None = None
    overlap: Annotated[str, word_of("first", "last")] | None = None
    syn_data: Truth | None = None
    short_first: Annotated[int, whole_number(0, 1460)] | None = None
    cut_hello: Truth | None = None
    cut_record: Truth | None = None
    final_dot: Annotated[str, word_of("ignored", "kept")] | None = None
    fragments: Annotated[str, word_of("read", "pass", "drop", "hold")] | None = None
    fragments_most: Annotated[int, whole_number(2, 8192)] | None = None
    gives_up_bytes: Annotated[int, whole_number(1, 65_535)] | None = None
    known_once: Truth | None = None
    inspect_bytes: Annotated[int, whole_number(1, 10_000_000)] | None = None
    inspect_packets: Annotated[int, whole_number(1, 1_000_000)] | None = None
    most_packets: Annotated[int, whole_number(1, 1_000_000)] | None = None
    datagrams: Annotated[str, word_of("flow", "each")] | None = None
    max_flows: Annotated[int, whole_number(1, 100_000_000)] | None = None
    when_full: Annotated[str, word_of("open", "closed")] | None = None
    idle: Seconds | None = None
    quic: QuicText | None = None
    teardown: list[TeardownText] = Field(default_factory=list)
    resync: list[ResyncText] = Field(default_factory=list)

    @classmethod
    def unfold(cls, value: Any) -> Any:
        """A bare word is the grade."""
        return {"grade": value} if isinstance(value, str) else value

    def model(self) -> StackModel:
        """The stack model; what the file leaves out is as the model has it."""
        given = {
            {"idle": "idle_seconds"}.get(key, key): value
            for key in self.model_fields_set - {"teardown", "resync", "quic"}
            if (value := getattr(self, key)) is not None
        }
        given["grade"] = Grade(self.grade)
        if self.quic is not None:
            given["quic"] = self.quic.reading()
        given["teardown"] = tuple(written.event() for written in self.teardown)
        given["resync"] = tuple(written.event() for written in self.resync)
        return replace(StackModel(), **given)
