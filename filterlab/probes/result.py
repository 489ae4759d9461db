"""What one attempt of a client came to, step by step, with times and OONI's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple


class Endpoint(NamedTuple):
    """One flow that a probe opened, as its own socket names it."""

    protocol: str  # "tcp" or "udp"
    source: str
    source_port: int
    destination: str
    destination_port: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `dns`, `socks`, `tcp`, `tls`, `quic`, `http` or `throughput`.

    `started` counts from the start of the probe; `failure` is OONI's, None if it went
    well; `detail` holds what the step learnt (addresses, certificate, error text).
    """

    name: str
    failure: str | None
    started: float
    seconds: float
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The whole attempt; it ends with its first failed step.

    `reached` says that every step went well. `broken` says that the probe itself
    failed: nothing can be told from it.
    """

    steps: tuple[Step, ...] = ()
    failure: str | None = None
    reached: bool = False
    broken: bool = False
    seconds: float = 0.0
    answers: tuple[str, ...] = ()  # addresses that the name resolved to
    endpoints: tuple[Endpoint, ...] = ()
    status: int | None = None
    location: str | None = None
    title: str | None = None
    body_bytes: int = 0
    body_sha256: str | None = None
    kbit_s: float | None = None
    began: float | None = None  # seconds since 1970, as captures have it

    @property
    def failed_step(self) -> Step | None:
        """The step that ended the probe, if one did."""
        last = self.steps[-1] if self.steps else None
        return last if last is not None and last.failure is not None else None

    def as_json(self) -> dict[str, Any]:
        """The result as one JSON object."""
        value = asdict(self)
        value["endpoints"] = [list(endpoint) for endpoint in self.endpoints]
        value["answers"] = list(self.answers)
        value["steps"] = list(value["steps"])
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ProbeResult:
        """The result that `as_json` wrote."""
        fields = dict(value)
        return cls(
            steps=tuple(Step(**step) for step in fields.pop("steps")),
            endpoints=tuple(Endpoint(*end) for end in fields.pop("endpoints")),
            answers=tuple(fields.pop("answers")),
            **fields,
        )


def broken(text: str) -> ProbeResult:
    """The result of a probe that failed by itself, for the reason that `text` gives."""
    step = Step("probe", f"unknown_failure: {text.splitlines()[-1]}", 0.0, 0.0)
    detail = {"traceback": text}
    return ProbeResult(
        steps=(Step(step.name, step.failure, 0.0, 0.0, detail),),
        failure=step.failure,
        broken=True,
    )
