"""What `pip install .` brings is what the checkout has."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONTENT = ("topologies/*.py", "controllers/*.py", "scenarios/**/*")


def content() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for pattern in CONTENT
        for path in ROOT.glob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_a_wheel_has_all_content_and_the_whole_package(tmp_path: Path) -> None:
    # A copy, because setuptools leaves its build folders beside what it builds.
    source = tmp_path / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, tracked):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps"]
    command += ["--no-build-isolation", "-w", str(tmp_path), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    marker = "/data/share/filterlab/"
    shipped = {name.partition(marker)[2] for name in names if marker in name}
    assert shipped == content()
    modules = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("filterlab/**/*.py")}
    assert modules <= set(names)
    templates = ROOT.glob("filterlab/report/templates/*")
    assert {p.relative_to(ROOT).as_posix() for p in templates} <= set(names)
