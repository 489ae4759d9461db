"""Other people's applications decide: a student's own, and one of Ryu's, unchanged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCENARIOS = Path(__file__).parent / "scenarios"


def run(scenario: Path, folder: Path) -> dict[str, Any]:
    """A whole run; its result.json, which standard output has as well."""
    command = [sys.executable, "-m", "filterlab.cli", "run", "--json"]
    command += [str(scenario), "--out", str(folder / "run")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def outcomes(result: dict[str, Any]) -> dict[str, str]:
    return {probe["name"]: probe["outcome"] for probe in result["probes"]}


def test_a_students_application_decides(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs()
    result = run(SCENARIOS / "students-app.yaml", tmp_path)
    assert outcomes(result) == {"https": "ok", "http": "tcp_ip"}
    # It filters from its first moment on, and still there is a control.
    assert all(probe["control"]["reached"] for probe in result["probes"])
    # It writes nothing down, so no rule is said to have done it.
    assert (tmp_path / "run" / "decisions.jsonl").read_text() == ""
    assert {probe["rule"] for probe in result["probes"]} == {None}


def simple_switch(folder: Path) -> Path:
    """Ryu's own file, out of its source archive."""
    fetched = Path(os.environ.get("FILTERLAB_FETCHED", "nowhere"))
    archive = fetched / "ryu-4.34.tar.gz"
    if not archive.exists():
        lack = f"there is no {archive.name} in the folder that FILTERLAB_FETCHED names"
        if "seal" in os.environ.get("FILTERLAB_REQUIRE", "").split(","):
            pytest.fail(lack, pytrace=False)
        pytest.skip(lack)
    with tarfile.open(archive) as opened:
        file = opened.extractfile("ryu-4.34/ryu/app/simple_switch_13.py")
        assert file is not None
        application = folder / "simple_switch_13.py"
        application.write_bytes(file.read())
    return application


def test_an_unchanged_application_of_ryu_can_be_named(
    needs: Callable[..., None], tmp_path: Path
) -> None:
    needs()
    application = simple_switch(tmp_path)
    text = (SCENARIOS / "students-app.yaml").read_text()
    scenario = tmp_path / "ryus-app.yaml"
    scenario.write_text(
        text.replace("students_app.py", application.name).replace("tcp_ip", "ok")
    )
    result = run(scenario, tmp_path)
    assert outcomes(result) == {"https": "ok", "http": "ok"}
