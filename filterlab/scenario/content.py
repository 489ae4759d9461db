"""Decides where the content lies - topologies, controllers, scenarios - and lists it.

In a checkout the folders stand beside the package; an installed wheel has them under
the environment's `share/filterlab` (design, section 3).
"""

from __future__ import annotations

import sys
from pathlib import Path

_NOT_SCENARIOS = {
    "policies",
    "tools",
    "programs",
    "strategies",
    "lists",
    "exercises",
}  # folders of scenarios/ with other uses


def root() -> Path:
    """The folder that holds topologies/, controllers/ and scenarios/."""
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "topologies").is_dir() and (checkout / "scenarios").is_dir():
        return checkout
    return Path(sys.prefix) / "share" / "filterlab"


def topologies() -> dict[str, Path]:
    """Topology files by their name."""
    return _by_stem(root() / "topologies", "*.py")


def controllers() -> dict[str, Path]:
    """Controller applications by their name."""
    return _by_stem(root() / "controllers", "*.py")


def tools() -> dict[str, Path]:
    """Descriptions of circumvention programs by their id."""
    return _by_stem(root() / "scenarios" / "tools", "**/*.yaml")


def strategies() -> dict[str, Path]:
    """Named strategies by their id."""
    return _by_stem(root() / "scenarios" / "strategies", "**/*.yaml")


def programs() -> dict[str, Path]:
    """Descriptions of plain programs, in the form of tools, by their id."""
    return _by_stem(root() / "scenarios" / "programs", "*.yaml")


def scenarios() -> dict[str, Path]:
    """Scenario files by their path below scenarios/, without the suffix."""
    top = root() / "scenarios"
    found = {}
    for path in sorted(top.glob("**/*.yaml")):
        below = path.relative_to(top)
        if not _NOT_SCENARIOS & set(below.parts[:-1]):
            found[below.with_suffix("").as_posix()] = path
    return found


def policies(beside: Path | None = None) -> dict[str, Path]:
    """Policy files by their id, the file's name without suffix.

    Those beside a scenario, in its folder's `policies`, come before the shipped ones.
    """
    found = _by_stem(root() / "scenarios" / "policies", "**/*.yaml")
    if beside is not None:
        found |= _by_stem(beside.parent / "policies", "**/*.yaml")
    return found


def policy(name: str, beside: Path | None = None) -> Path | None:
    """The file of one policy; any YAML file beside the scenario may be one as well."""
    found = policies(beside).get(name)
    # The name comes out of a file: it must not lead anywhere else.
    if found is None and beside is not None and Path(name).name == name:
        own = beside.parent / f"{name}.yaml"
        found = own if own.is_file() and own != beside else None
    return found


def controller(name: str, beside: Path | None = None) -> Path | None:
    """The file of a controller given by path, or by the name of a shipped one."""
    if name.endswith(".py"):
        folders = [root(), Path.cwd()]
        if beside is not None:
            folders.insert(0, beside.parent)
        return next((f / name for f in folders if (f / name).is_file()), None)
    return controllers().get(name)


def shown(path: Path) -> str:
    """A path as messages name it: from the current folder, if it is inside."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _by_stem(folder: Path, pattern: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.glob(pattern)):
        if not path.name.startswith(("_", ".")):
            found.setdefault(path.stem, path)
    return found
