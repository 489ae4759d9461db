"""Collects scenario files: `pytest scenarios/` gives one test an expectation.

A scenario is run once, however many of its expectations are selected and however many
workers of pytest-xdist share them: the first to come runs it, the others wait for its
result. Each run is a process of its own, so nothing of it can reach pytest. Tests that
look at captures or decisions get the same run by the fixture `filterlab_run`. What a
session left is kept if anything in it failed, and removed if nothing did.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

# What tells a scenario from the policies and tools that lie beside it.
_PROBES = re.compile(r"^probes:", re.MULTILINE)
_TIMELINE = re.compile(r"^timeline:", re.MULTILINE)
# What tells an exercise, in a folder of its own, whose files lie in folders of it.
_EXERCISE = "exercise.yaml"
_EXERCISE_DEPTH = 3
# Far above the largest scenario; the loader has its own, stricter limit.
_LOOK_AT_BYTES = 1_000_000
# What names this session's folder: xdist's own word where there are workers.
_SESSION = pytest.StashKey[str]()
# Columns in which no line of a run's table has to break: a test may look for it.
_WIDE = 200
# A check takes a second and a half to begin, and a fifth of one for each file.
_CHECKED_AT_ONCE = 8
_UNCHECKED = pytest.StashKey[list[Path]]()
_FACTS = pytest.StashKey[dict[Path, Any]]()


@dataclass(frozen=True, slots=True)
class Run:
    """A scenario's one run in this session: where it is, and what it said."""

    folder: Path
    status: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def filterlab_run(pytestconfig: pytest.Config) -> Callable[[Path], Run]:
    """Give the run of a scenario file, the one that its expectations look at."""
    return lambda scenario: _run_of(scenario, _shared_folder(pytestconfig))


def pytest_configure(config: pytest.Config) -> None:
    """Name the session; not by its process, as an earlier one may have had it."""
    word = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    config.stash[_SESSION] = word or uuid.uuid4().hex
    config.stash[_UNCHECKED], config.stash[_FACTS] = [], {}


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Name the session as xdist has told its workers."""
    node.config.stash[_SESSION] = node.workerinput["testrunuid"]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove the runs that nobody will ask about; of workers, others may need them."""
    of_worker = hasattr(session.config, "workerinput")
    if exitstatus == pytest.ExitCode.OK and not of_worker:
        shutil.rmtree(_shared_path(session.config), ignore_errors=True)


def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> ScenarioFile | None:
    """Take the YAML files that have probes and a timeline."""
    if file_path.suffix != ".yaml" or not _is_scenario(file_path):
        return None
    parent.config.stash[_UNCHECKED].append(file_path)
    return ScenarioFile.from_parent(parent, path=file_path)


def _is_scenario(path: Path) -> bool:
    # What an exercise gives is a task: what it expects is still to come.
    if any((folder / _EXERCISE).exists() for folder in path.parents[:_EXERCISE_DEPTH]):
        return False
    with path.open("rb") as file:
        text = file.read(_LOOK_AT_BYTES).decode(errors="replace")
    return bool(_PROBES.search(text) and _TIMELINE.search(text))


class ScenarioFile(pytest.File):
    """One scenario; its expectations are its tests."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item an expectation and phase, named as a sentence."""
        facts = self._facts()
        skipped = {
            text: one for one in facts["skipped"] for text in one["expectations"]
        }
        for entry in facts["expectations"]:
            text, source = entry["text"], entry["source"]
            yield ExpectationItem.from_parent(
                self, name=text, source=source, skipped=skipped.get(text)
            )

    def _facts(self) -> Any:
        """What a check says of the file; some that come later are checked with it."""
        facts, unchecked = self.config.stash[_FACTS], self.config.stash[_UNCHECKED]
        if self.path not in facts:
            others = [path for path in unchecked if path != self.path]
            together = [self.path, *others[: _CHECKED_AT_ONCE - 1]]
            done = _filterlab("check", "--json", *map(str, together))
            if done.returncode != 0:
                # Another's faults are told in its own place.
                together = [self.path]
                done = _filterlab("check", "--json", str(self.path))
            if done.returncode != 0:
                raise self.CollectError(done.stderr.strip())
            facts.update(zip(together, _each(done.stdout), strict=True))
            unchecked[:] = [path for path in unchecked if path not in facts]
        return facts[self.path]


def _each(text: str) -> Iterator[Any]:
    """The JSON values that follow one another in a text."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].lstrip()


class ExpectationItem(pytest.Item):
    """One expectation in one phase."""

    def __init__(
        self, *, source: str, skipped: Mapping[str, Any] | None, **keywords: Any
    ) -> None:
        super().__init__(**keywords)
        self.source = source
        self.skipped = skipped
        # With --dist loadgroup, the expectations of one scenario stay together.
        self.add_marker(pytest.mark.xdist_group(str(self.path)))

    def runtest(self) -> None:
        """Look the expectation up in the scenario's one run."""
        if self.skipped is not None:
            _skip(self.skipped)
        result = _result_of(self.path, _shared_folder(self.config))
        check = next(
            (
                c
                for c in result["expectations"]
                if (c["text"], c["source"]) == (self.name, self.source)
            ),
            None,
        )
        self.add_report_section("call", "scenario", f"{self.path}: {result['verdict']}")
        self.user_properties.append(("seed", result["seed"]))
        if check is None or check["met"] is not True:
            raise UnmetError(explain(result, check, self.name))

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], *rest: Any, **more: Any
    ) -> Any:
        """An unmet expectation explains itself; anything else is shown as it is."""
        if isinstance(excinfo.value, UnmetError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *rest, **more)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the expectation stands in its file."""
        _, _, line = self.source.rpartition(":")
        number = int(line) - 1 if line.isdigit() else None
        return self.path, number, f"{self.path.stem}: {self.name}"


def _skip(skipped: Mapping[str, Any]) -> NoReturn:
    """Skip, or fail where nothing may be skipped that a package could bring."""
    required = "seal" in os.environ.get("FILTERLAB_REQUIRE", "").split(",")
    if required and not skipped["by_hand"]:
        raise UnmetError(skipped["text"])
    pytest.skip(skipped["text"])


class UnmetError(Exception):
    """An expectation was not met, or nothing could be told."""


def explain(result: dict[str, Any], check: dict[str, Any] | None, name: str) -> str:
    """Why an expectation failed: what was seen, each step, the rule, the evidence."""
    if check is None:
        return f"{name}: {result['verdict']}: " + "\n".join(result["faults"])
    mark = "could not tell" if check["met"] is None else "not met"
    lines = [f"{check['source']}: {mark}: {check['text']}", f"  {check['why']}"]
    for probe in result["probes"]:
        if (probe["name"], probe["phase"]) != (check["probe"], check["phase"]):
            continue
        lines.append(f"  {probe['name']} from {probe['from']} to {probe['target']}:")
        lines += [
            f"    {step['name']:<10} {step['failure'] or 'ok':<28} "
            f"at {step['started']:.3f} s for {step['seconds']:.3f} s"
            for step in probe["steps"]
        ]
        lines.append(f"    decided by {probe['rule'] or 'no rule'}")
        lines += _captured(Path(result["folder"]), probe["decisions"])
    lines += [f"  {fault}" for fault in result["faults"]]
    lines.append(f"  evidence: {result['folder']}")
    return "\n".join(lines)


def _captured(folder: Path, indices: Sequence[int]) -> Iterator[str]:
    """The frames on which was decided, and the captures that hold them."""
    decisions = (folder / "decisions.jsonl").read_text().splitlines()
    for index in indices:
        decision = json.loads(decisions[index])
        if "capture" in decision:
            place = folder / decision["capture"]
            yield f"    captured in {place} frame {decision['capture_frame']}"


def _shared_path(config: pytest.Config) -> Path:
    mine = Path(tempfile.gettempdir()) / f"filterlab-pytest-{os.getuid()}"
    return mine / config.stash[_SESSION]


def _shared_folder(config: pytest.Config) -> Path:
    """One folder for all workers of this test run."""
    folder = _shared_path(config)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _result_of(scenario: Path, shared: Path) -> dict[str, Any]:
    """The result of the scenario's one run."""
    folder = _run_of(scenario, shared).folder
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    result["folder"] = str(folder)
    return result


def _run_of(scenario: Path, shared: Path) -> Run:
    """The scenario's one run, made by whoever comes first."""
    scenario = scenario.resolve()
    name = f"{scenario.stem}-{hashlib.sha1(str(scenario).encode()).hexdigest()[:8]}"
    folder, known = shared / name, shared / f"{name}.json"
    with _locked(shared / f"{name}.lock"):
        if not known.exists():
            done = _filterlab("run", "--out", str(folder), str(scenario))
            if not (folder / "result.json").exists():
                raise UnmetError(f"the run left no result:\n{done.stderr}{done.stdout}")
            said = [done.returncode, done.stdout, done.stderr]
            known.write_text(json.dumps(said))
    return Run(folder, *json.loads(known.read_text()))


def _filterlab(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "filterlab.cli", *arguments],
        env={**os.environ, "COLUMNS": str(_WIDE)},
        capture_output=True,
        text=True,
        check=False,
    )
