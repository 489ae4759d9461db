"""The site builds without a warning, and its pages ask nobody for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from filterlab.scenario import content
from tests.docs.blocks import DOCS, MADE, name_of, pages


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, made from a copy: what is made would else lie in the checkout."""
    folder = tmp_path_factory.mktemp("docs")
    ignored = shutil.ignore_patterns("__pycache__", *MADE)
    shutil.copytree(DOCS, folder / "docs", ignore=ignored)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, str(folder / "docs"), str(folder / "site")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


def test_every_page_is_there(site: Path) -> None:
    for page in pages():
        assert (site / f"{name_of(page)}.html").is_file()
    for name in content.policies():
        assert (site / "policies" / f"{name}.html").is_file()


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loads = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*>", re.IGNORECASE)
    address = re.compile(r"(?:src|href)=\"(?:https?:)?//")
    for page in site.rglob("*.html"):
        for tag in loads.findall(page.read_text("utf-8")):
            assert not address.search(tag), f"{page.name}: {tag}"
    for style in site.rglob("*.css"):
        loaded = re.findall(
            r"url\(['\"]?(?:https?:)?//[^)]*|@import[^;]*", style.read_text()
        )
        assert not loaded, f"{style.name}: {loaded}"
