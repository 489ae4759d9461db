"""Seals a network, tries programs in it, and says what came of each as it comes.

Outside, `make_captures`; inside, `python -m filterlab.trials.making ORDER`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filterlab.lab.seal import prepare_seal, run_sealed
from filterlab.trials.ground import Ground
from filterlab.trials.subjects import Subject, subjects
from filterlab.trials.trial import Trial, trial_of

LIST = "captures.json"


def make_captures(chosen: Sequence[Subject], out: Path) -> list[Trial]:
    """Try the programs that are installed; raises Obstacle where none can be sealed.

    `out` gets the captures and a list of what came of each program, which lacks those
    that were not reached before the lab ended.
    """
    out.mkdir(parents=True, exist_ok=True)
    absent = [subject for subject in chosen if subject.missing]
    names = [subject.name for subject in chosen if not subject.missing]
    (out / LIST).write_text("[]")
    if names:
        order = json.dumps({"names": names, "out": str(out.resolve())})
        run_sealed([sys.executable, "-m", "filterlab.trials.making", order])
    trials = [
        Trial(one.name, "", failure=f"not installed: {', '.join(one.missing)}")
        for one in absent
    ]
    trials = sorted([*kept(out), *trials], key=lambda trial: trial.name)
    _keep(trials, out)
    return trials


def kept(out: Path) -> list[Trial]:
    """The trials that a folder holds."""
    return [trial_of(value) for value in json.loads((out / LIST).read_text())]


def _keep(trials: Sequence[Trial], out: Path) -> None:
    listed = [trial.as_json() for trial in trials]
    (out / LIST).write_text(json.dumps(listed, indent=1) + "\n")


def _inside(order: dict[str, object]) -> None:
    """Try all programs of the order in this seal."""
    prepare_seal()
    out = Path(str(order["out"]))
    names = order["names"]
    assert isinstance(names, list)
    chosen = subjects([str(name) for name in names])
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        ground = Ground(chosen, Path(folder))
        for subject in chosen:
            trials.append(ground.try_out(subject, out))
            said = trials[-1].failure or "ok"
            print(f"{subject.name}: {said}", file=sys.stderr, flush=True)
            _keep(trials, out)
        ground.close()


if __name__ == "__main__":
    _inside(json.loads(sys.argv[1]))
