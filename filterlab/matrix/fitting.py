"""Says which tools cannot do what a scenario asks for, before anything is started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from filterlab.matrix.script import Censor, Setting, script
from filterlab.runner.plan import make_plan
from filterlab.scenario.problem import BadInput


def unfit(stage: Setting, policy: Censor, tools: Sequence[str]) -> dict[str, str]:
    """Why which of the tools cannot be tried; raises BadInput if none can be."""
    with TemporaryDirectory(prefix="filterlab-matrix-") as folder:
        path = Path(folder) / "scenario.yaml"
        for name, text in policy.files.items():
            (path.parent / "policies").mkdir(exist_ok=True)
            file = path.parent / "policies" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        if _objection(path, stage, policy, tools) is None:
            return {}
        found: dict[str, str] = {}
        bad: BadInput | None = None
        for tool in tools:
            if (bad := _objection(path, stage, policy, [tool])) is not None:
                found[tool] = f"in {stage.name}: {bad.problems[0].message}"
        if bad is not None and len(found) == len(tools):
            raise bad
        return found


def _objection(
    path: Path, stage: Setting, policy: Censor, tools: Sequence[str]
) -> BadInput | None:
    path.write_text(script(stage, policy, tools, 1))
    try:
        make_plan(path)
    except BadInput as bad:
        return bad
    return None
