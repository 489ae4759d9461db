"""A browser without a network, or a skip that names what is missing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filterlab.lab.programs import find_program

try:
    from playwright.sync_api import sync_playwright
except ImportError:  # the test extra brings it
    sync_playwright = None

# In a network namespace of its own there is nobody whom a browser could ask.
_OFFLINE = '#!/bin/sh\nexec unshare --user --map-root-user --net "{program}" "$@"\n'


def lacking(what: str) -> None:
    """Skip, or fail where the environment says that nothing may be skipped."""
    if "seal" in os.environ.get("FILTERLAB_REQUIRE", "").split(","):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


# Not of the session: other tests hold that nothing has been left running.
@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright, in a namespace without a network."""
    program = find_program("chromium")
    if program is None:
        lacking("there is no chromium: apt-get install chromium")
    if sync_playwright is None:
        lacking("there is no playwright: pip install playwright")
    unshare = ["unshare", "--user", "--map-root-user", "--net", "true"]
    if subprocess.run(unshare, capture_output=True).returncode:
        lacking(
            "no user namespace can be made: sysctl kernel.unprivileged_userns_clone"
        )
    wrapper: Path = tmp_path_factory.mktemp("browser") / "chromium"
    wrapper.write_text(_OFFLINE.format(program=program))
    wrapper.chmod(0o755)
    assert sync_playwright is not None
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(wrapper))
        yield launched
        launched.close()
