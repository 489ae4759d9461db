"""Looks at an answer: runs it where it can do no harm, and judges what came of it.

Whatever a participant wrote runs in a cage (`filterlab.lab.cage`), on a hidden
scenario; what it did there is judged out here, against what is true.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from filterlab.exercises import answerfile, judging
from filterlab.exercises.dealing import ways_of
from filterlab.exercises.faults import explained, in_words
from filterlab.exercises.sealing import in_seal
from filterlab.exercises.shelf import folder
from filterlab.exercises.verdict import Verdict
from filterlab.exercises.workspace import Workspace
from filterlab.lab.cage import Ended, Limits, run_caged

LIMITS = Limits()
LIVE = Limits(seconds=120)  # it serves until it is ended
_POLICY, _DAY, _VISITS = "policy.yaml", "day.pcapng", "visits.json"
_ABOUT = "me.yaml"
# Run inside of a seal, and far too slow to be imported out here.
_CROSSING, _SWITCHING = (
    f"filterlab.exercises.{name}" for name in ("crossing", "switching")
)


def check(workspace: Workspace) -> Verdict:
    """What the answer is worth; raises NotStarted, BadInput or Obstacle."""
    answers = workspace.answers()
    return _KINDS[workspace.exercise.file.check](workspace, answers)


def _blocks(workspace: Workspace, answers: Mapping[str, bytes]) -> Verdict:
    lines, verdict = _replayed(workspace, answers)
    day = judging.visits(workspace.exercise.files("hidden")[_VISITS])
    if verdict.stopped is None:
        verdict.points = judging.blocked(day, lines)
    return verdict


def _names(workspace: Workspace, answers: Mapping[str, bytes]) -> Verdict:
    """A notebook, and what its reader believes of a morning that both have seen."""
    said = answerfile.known(workspace.folder / _ABOUT)
    lines, verdict = _replayed(workspace, answers)
    if verdict.stopped is None:
        day = judging.visits(workspace.exercise.files("hidden")[_VISITS])
        truth = answerfile.known(workspace.exercise.files("solution")[_ABOUT])
        verdict.points = judging.named(day, lines)
        verdict.points += judging.believed(said, truth, judging.MEANT)
    return verdict


def _ways(workspace: Workspace, answers: Mapping[str, bytes]) -> Verdict:
    """Nothing to run: which way each site is blocked, and what was dealt."""
    (name,) = answers
    said = answerfile.ways(workspace.folder / name)
    truth = ways_of(workspace.hand)
    points = judging.believed(said, truth, judging.LOOK_AT)
    return Verdict("the sites that you were dealt:", points)


def _replayed(
    workspace: Workspace, answers: Mapping[str, bytes]
) -> tuple[list[Any], Verdict]:
    """What the answer decides of the hidden day, or why nothing can be said."""
    given = workspace.exercise.files("given")
    hidden = workspace.exercise.files("hidden")
    name = next(iter(answers))
    files = {**answers, _DAY: hidden[_DAY].read_bytes()}
    policy = name
    if not name.endswith(".yaml"):  # it is what the policy asks
        policy, files[_POLICY] = _POLICY, given[_POLICY].read_bytes()
    command = [sys.executable, "-m", "filterlab.exercises.trial", policy, _DAY]
    ended = run_caged(command, files, LIMITS, [folder()])
    verdict = Verdict("on a day that you have not seen:")
    verdict.stopped = explained(name, ended, LIMITS)
    if verdict.stopped is not None:
        return [], verdict
    try:
        told = json.loads(ended.out)
        if "bad" in told:
            verdict.stopped, verdict.bad_input = str(told["bad"]), True
        return list(told.get("lines", [])), verdict
    except (ValueError, TypeError, AttributeError):
        verdict.stopped = f"{name} ended the check before it was over"
        return [], verdict


def _relay(workspace: Workspace, answers: Mapping[str, bytes]) -> Verdict:
    """Pages over a real wire, whose packets the exercise's policy has read."""
    ((name, data),) = answers.items()
    facts = json.loads(workspace.exercise.files("hidden")["sites.json"].read_text())
    policy = workspace.exercise.files("given")[_POLICY].read_bytes()
    files = {name: data, _POLICY: policy}
    told = in_seal(_CROSSING, name, files, facts, LIVE)
    verdict = Verdict("pages of sites that you have not seen, over your relay:")
    verdict.stopped = _how_it_ended(name, told)
    if verdict.stopped is None:
        verdict.points = judging.crossed(told["visits"])
    return verdict


def _controller(workspace: Workspace, answers: Mapping[str, bytes]) -> Verdict:
    """Connections across a real exchange, at which the answer decides."""
    ((name, data),) = answers.items()
    facts = json.loads(workspace.exercise.files("hidden")["tries.json"].read_text())
    told = in_seal(_SWITCHING, name, {name: data}, facts, LIVE)
    verdict = Verdict("connections across an exchange that your controller runs:")
    verdict.stopped = _how_it_ended(name, told)
    if verdict.stopped is None and told["fault"]:
        verdict.stopped = in_words(name, told["fault"], LIVE)
    if verdict.stopped is None and not told["tries"]:
        verdict.stopped = (
            f"{name} did not answer the switch: does it wait for what never comes?"
        )
    if verdict.stopped is None:
        verdict.points = judging.switched(told["tries"])
    return verdict


def _how_it_ended(name: str, told: Mapping[str, Any]) -> str | None:
    if "ended" not in told:
        return None
    status, limit, errors = told["ended"]
    why = explained(name, Ended(status, limit, "", errors), LIVE)
    return why or f"{name} ended before anybody had asked it anything"


_KINDS: dict[str, Callable[[Workspace, Mapping[str, bytes]], Verdict]] = {
    "blocks": _blocks,
    "names": _names,
    "ways": _ways,
    "relay": _relay,
    "controller": _controller,
}
