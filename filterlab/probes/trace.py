"""Keeps a probe's diary: its steps with their times, and the flows that it opened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from filterlab.probes.failure import failure_of, is_of_network
from filterlab.probes.result import Endpoint, Step

# How much of an error's own text a step keeps.
_ERROR_CHARACTERS = 300


class StepError(Exception):
    """A step failed for the network's reason; the trace has it already."""

    def __init__(self, failure: str) -> None:
        super().__init__(failure)
        self.failure = failure


class OpenStep:
    """The step under way: when it must end, and what it has learnt."""

    def __init__(self, until: float) -> None:
        self.until = until  # on the clock of time.monotonic
        self.detail: dict[str, Any] = {}


class Trace:
    """The steps and flows of one probe so far."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.began = time.time()
        self.steps: list[Step] = []
        self.endpoints: list[Endpoint] = []

    @contextmanager
    def step(self, name: str, timeout_seconds: float) -> Iterator[OpenStep]:
        """Carry out one step; a network's error ends the probe with StepError."""
        began = time.monotonic()
        step = OpenStep(began + timeout_seconds)
        failure: str | None = None
        try:
            yield step
        except Exception as error:
            if not is_of_network(error):
                raise
            failure = failure_of(error, name)
            step.detail["error"] = str(error)[:_ERROR_CHARACTERS]
            raise StepError(failure) from error
        finally:
            seconds = time.monotonic() - began
            offset = began - self.started
            self.steps.append(Step(name, failure, offset, seconds, step.detail))

    def note(
        self,
        protocol: str,
        source: str,
        source_port: int,
        destination: str,
        destination_port: int,
    ) -> None:
        """Note a flow that the probe opened."""
        self.endpoints.append(
            Endpoint(protocol, source, source_port, destination, destination_port)
        )
