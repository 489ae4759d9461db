"""What all tests of the matrix need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from filterlab.tools import shelf


@pytest.fixture(autouse=True)
def own_shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tools that a test puts on the shelf are gone after it."""
    monkeypatch.setattr(shelf, "_own", {})
    yield
    shelf._read.cache_clear()
