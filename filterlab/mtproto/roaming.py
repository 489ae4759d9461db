"""A client that looks for a way: the service, the proxies it knows, those it is sent.

Each way gets a head start before the next one, and none is given up: whichever brings
the page first has won. When the last known way has had its start, the client asks for a
list, keeps it, and goes on with what is new in it; next time it knows those from the
beginning.

Source: telegramdesktop/tdesktop, mtproto/special_config_request.cpp (a list is asked
for while connecting goes on, from several places with a second in between).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filterlab.mtproto.client import fetch, fetch_directly
from filterlab.mtproto.proxy import Address
from filterlab.mtproto.pushed import Way, read_way, unseal
from filterlab.mtproto.secret import read_secret

# Less than tdesktop's 800 ms between two of its sources (kSendNextTimeout), so that a
# handful of ways have their turn before the lab's probe ends.
HEAD_START_SECONDS = 0.5
_MOST_LIST_BYTES = 4_096
FAILURES = (OSError, asyncio.IncompleteReadError, ValueError)

Ask = Callable[[Way], Awaitable[bytes]]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a list is to be had, over HTTPS, and who must have sealed it."""

    address: Address
    name: str
    ca_file: Path
    public_key: Path
    phone: str

    async def ways(self, now: int) -> list[Way]:
        """The ways that the list has for this phone; raises one of FAILURES."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        reader, writer = await asyncio.open_connection(
            *self.address, ssl=context, server_hostname=self.name
        )
        try:
            writer.write(f"GET / HTTP/1.0\r\nHost: {self.name}\r\n\r\n".encode())
            answer = await reader.read(_MOST_LIST_BYTES)
            while more := await reader.read(_MOST_LIST_BYTES):
                answer += more
        finally:
            writer.close()
        _, _, text = answer.partition(b"\r\n\r\n")
        rules = unseal(text.decode("ascii"), now, self.public_key)
        return [way for rule in rules if rule.means(self.phone) for way in rule.ways]


class Memory:
    """The ways that were sent before, in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def ways(self) -> list[Way]:
        """What is kept; nothing at first."""
        if not self._file.exists():
            return []
        return [read_way(line) for line in self._file.read_text().splitlines()]

    def keep(self, ways: list[Way]) -> None:
        """Keep these, in the place of those before."""
        self._file.write_text("".join(f"{way}\n" for way in ways))


async def first_page(ways: AsyncIterator[Way], ask: Ask, tell: Tell) -> bytes:
    """The first page that any way brings; raises the last failure if none does."""
    race = _Race(ways, ask, tell)
    try:
        return await race.run()
    finally:
        race.end()


class _Race:
    """Ways under way, and the next one as soon as it is there."""

    def __init__(self, ways: AsyncIterator[Way], ask: Ask, tell: Tell) -> None:
        self._ways, self._ask, self._tell = ways, ask, tell
        self._under_way: dict[asyncio.Task[bytes], Way] = {}
        self._coming: asyncio.Task[Way | None] | None = None
        self._failure: BaseException = ValueError("no way at all")

    async def run(self) -> bytes:
        self._coming = asyncio.create_task(self._next())
        while self._coming is not None or self._under_way:
            coming = () if self._coming is None else (self._coming,)
            tasks: list[asyncio.Task[Any]] = [*self._under_way, *coming]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            page = self._finished()
            if page is not None:
                return page
            if self._coming is not None and self._coming.done():
                await self._begin(self._coming.result())
        raise self._failure

    def end(self) -> None:
        for task in (*self._under_way, self._coming):
            if task is not None:
                task.cancel()

    async def _next(self) -> Way | None:
        return await anext(self._ways, None)

    async def _begin(self, way: Way | None) -> None:
        self._coming = None
        if way is None:
            return
        self._tell(f"trying {_place(way)}")
        self._under_way[asyncio.create_task(self._try(way))] = way
        # A way that fails before is no reason to wait.
        await asyncio.wait(
            self._under_way,
            timeout=HEAD_START_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        self._coming = asyncio.create_task(self._next())

    async def _try(self, way: Way) -> bytes:
        return await self._ask(way)

    def _finished(self) -> bytes | None:
        for task in [one for one in self._under_way if one.done()]:
            way, error = self._under_way.pop(task), task.exception()
            if error is None:
                self._tell(f"by {_place(way)}")
                return task.result()
            self._tell(f"{_place(way)}: {error}")
            self._failure = error
        return None


def _place(way: Way) -> str:
    return "{}:{}".format(*way.address)


async def roam(
    service: Address, memory: Memory, source: Source, now: int, tell: Tell
) -> AsyncIterator[Way]:
    """The service itself, what is remembered, and then what a new list adds."""
    known = [Way(service), *memory.ways()]
    for way in known:
        yield way
    try:
        sent = await source.ways(now)
    except FAILURES as error:
        tell(f"no list: {error}")
        return
    tell(f"a list of {len(sent)}")
    memory.keep(sent)
    for way in sent:
        if way not in known:
            yield way


async def page_by_any_way(
    url: str,
    auth_key: bytes,
    service: Address,
    memory: Memory,
    source: Source,
    now: int,
    tell: Tell,
) -> bytes:
    """A page, by whatever way there is; raises one of FAILURES."""

    async def ask(way: Way) -> bytes:
        if not way.secret:
            return await fetch_directly(way.address, auth_key, url)
        return await fetch(way.address, read_secret(way.secret), auth_key, url)

    return await first_page(roam(service, memory, source, now, tell), ask, tell)
