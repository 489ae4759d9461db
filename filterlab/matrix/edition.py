"""Which FilterLab this is: its version, and a hash of all that decides an outcome.

Two checkouts of one version may differ, so the version alone is not enough to let
machines share a matrix, or to take a cell over from an earlier run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from filterlab.scenario import content


@cache
def edition() -> str:
    """`0.1.0+1a2b3c4d5e6f`, the same wherever the same code and content lie."""
    digest = hashlib.sha256()
    for name, path in _files():
        digest.update(f"{name}\0".encode())
        digest.update(path.read_bytes())
    return f"{version('filterlab')}+{digest.hexdigest()[:12]}"


def _files() -> Iterator[tuple[str, Path]]:
    """The package's code and the content, by names that hold everywhere."""
    package = Path(__file__).resolve().parents[1]
    for top, pattern in (
        (package, "**/*.py"),
        (content.root() / "topologies", "*.py"),
        (content.root() / "controllers", "*.py"),
        (content.root() / "scenarios", "**/*.yaml"),
    ):
        for path in sorted(top.glob(pattern)):
            yield f"{top.name}/{path.relative_to(top).as_posix()}", path
