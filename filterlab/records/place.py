"""Where a run keeps its records, if not in its own folder: what a seal can reach.

A seal has a network of its own and a /run of its own: of the machine around it, files
and Unix sockets elsewhere are left.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from filterlab.records.book import Book, NotWrittenError

# What a seal covers with an empty folder (filterlab.lab.seal).
_COVERED = Path("/run")


def reachable(place: str) -> str:
    """The place as it is called in a seal, with the tables in it.

    Raises NotWrittenError if it cannot be reached there, or does not take tables.
    """
    if "://" not in place:
        file = Path(place).resolve()
        _not_covered(file, "the file")
        Book(file).close()
        return str(file)
    try:
        url = make_url(place)
    except ArgumentError as error:
        raise NotWrittenError(str(error)) from None
    folder = url.query.get("host")
    if url.host or not isinstance(folder, str) or not folder.startswith("/"):
        raise NotWrittenError(
            "a seal reaches a server by its Unix socket alone; name the socket's"
            " folder: postgresql+psycopg://USER@/DATABASE?host=/FOLDER"
        )
    _not_covered(Path(folder).resolve(), "the socket's folder")
    Book(place).close()
    return place


def _not_covered(path: Path, what: str) -> None:
    if path.is_relative_to(_COVERED):
        raise NotWrittenError(
            f"a seal has a {_COVERED} of its own, so {what} must stand elsewhere"
        )
