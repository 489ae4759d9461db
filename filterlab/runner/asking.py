"""Turns what a tool said that is itself the client into a probe's result."""

from __future__ import annotations

from dataclasses import replace

from filterlab.probes.fetch import Body
from filterlab.probes.result import ProbeResult, Step, broken
from filterlab.probes.said import addresses_said, failure_said, name_failure_said
from filterlab.tools.program import Said

_NOT_RUN = (126, 127)  # POSIX, the shell's statuses for a command it could not run
_ERROR_CHARACTERS = 2000  # of its complaints a step keeps so many


def fetched(said: Said) -> ProbeResult:
    """The result of a program that was to write a page's body to its output."""
    if (fault := _fault(said)) is not None:
        return fault
    body = Body(len(said.out) + 1)
    body.add(said.out)
    result = ProbeResult(
        title=body.title,
        body_bytes=body.size,
        body_sha256=body.sha256 if body.size else None,
    )
    if said.status == 0:
        return _with_step(result, said, "program", None)
    failure = failure_said(said.program, said.status, said.complaints)
    step = "dns" if failure.startswith("dns_") else "program"
    return _with_step(result, said, step, failure)


def resolved(said: Said) -> ProbeResult:
    """The result of a program that was to write a name's addresses to its output."""
    if (fault := _fault(said)) is not None:
        return fault
    output = said.out.decode(errors="replace")
    answers = addresses_said(output) if said.status == 0 else ()
    if answers:
        return _with_step(ProbeResult(answers=answers), said, "dns", None)
    failure = name_failure_said(said.program, said.status, output, said.complaints)
    return _with_step(ProbeResult(), said, "dns", failure)


def after(first: Step, result: ProbeResult) -> ProbeResult:
    """The result with one step before all its own."""
    later = (replace(s, started=s.started + first.seconds) for s in result.steps)
    whole = result.seconds + first.seconds
    return replace(result, steps=(first, *later), seconds=whole)


def _fault(said: Said) -> ProbeResult | None:
    """A program that could not run, or crashed, tells nothing of the network."""
    if said.status is None or (said.status >= 0 and said.status not in _NOT_RUN):
        return None
    how = "could not be run"
    if said.status < 0:
        how = f"was ended by signal {-said.status}"
    return broken(f"{said.complaints}\n{said.program} {how}")


def _with_step(
    result: ProbeResult, said: Said, name: str, failure: str | None
) -> ProbeResult:
    detail = {}
    if failure is not None:
        detail = {"error": said.complaints.strip()[-_ERROR_CHARACTERS:]}
    step = Step(name, failure, 0.0, said.seconds, detail)
    return replace(
        result,
        steps=(step,),
        failure=failure,
        reached=failure is None,
        seconds=said.seconds,
    )
