"""A client that looks for a way, with real servers; what is dropped stays silent."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from filterlab.lab.authority import Authority
from filterlab.mtproto.proxy import Address
from filterlab.mtproto.pushed import make_keys
from filterlab.mtproto.roaming import Memory, Source, page_by_any_way
from tests.mtproto.conftest import BIG
from tests.mtproto.test_messenger import KEY, SEED, free_address, program

NAME = "lists.example"
FIRST, SECOND = "ee" + "11" * 16 + b"cover.example".hex(), "dd" + "22" * 16


class World:
    """A service, two proxies and a list; `cut` leads the client into silence."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder, self.authority = folder, authority
        self.service, self.lists = free_address(), free_address()
        self.proxies = [free_address(), free_address()]
        self.told: list[str] = []
        make_keys(folder / "private.pem", folder / "public.pem")

    @contextmanager
    def up(self, *, first: bool = True, listed: bool = True) -> Iterator[World]:
        with ExitStack() as stack:
            ca_file = str(self.authority.ca_file)
            started = [("service", self.service, "--key", SEED, "--ca-file", ca_file)]
            secrets = (FIRST, SECOND)
            for proxy, secret in zip(self.proxies, secrets, strict=True):
                if proxy is self.proxies[0] and not first:
                    continue
                service = written(self.service)
                more = ("--service", service, "--secret", secret)
                started.append(("proxy", proxy, *more))
            if listed:
                started.append(("lists", self.lists, *self._list(secrets)))
            for name, listen, *more in started:
                stack.enter_context(program(name, listen, *more))
            yield self

    def _list(self, secrets: tuple[str, str]) -> list[str]:
        leaf = self.authority.issue("lists", names=[NAME])
        ways = zip(self.proxies, secrets, strict=True)
        return [
            *("--certificate", str(leaf.chain_file), "--tls-key", str(leaf.key_file)),
            *("--signing-key", str(self.folder / "private.pem"), "--prefixes", "+375"),
            *(f"{written(proxy)}={secret}" for proxy, secret in ways),
        ]

    def page(self, url: str, service: Address, phone: str = "375290000000") -> bytes:
        self.told.clear()
        source = Source(
            self.lists,
            NAME,
            self.authority.ca_file,
            self.folder / "public.pem",
            phone,
        )
        memory, now = Memory(self.folder / "kept"), int(time.time())
        asked = page_by_any_way(
            url, KEY, service, memory, source, now, self.told.append
        )
        return asyncio.run(asyncio.wait_for(asked, 30))


def written(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


@pytest.fixture
def silent() -> Iterator[Address]:
    """An address that takes connections, and says nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, Authority(tmp_path / "authority"))


def test_it_goes_directly_where_it_can(world: World, website: str) -> None:
    place = written(world.service)
    with world.up(listed=False):
        assert world.page(f"{website}/page", world.service) == b"x" * BIG
    assert world.told == [f"{word} {place}" for word in ("trying", "by")]


def test_it_asks_for_a_list_and_keeps_it(
    world: World, website: str, silent: Address
) -> None:
    with world.up():
        assert world.page(f"{website}/page", silent) == b"x" * BIG
    assert "a list of 2" in world.told
    kept = [f"{written(world.proxies[0])}={FIRST}"]
    kept.append(f"{written(world.proxies[1])}={SECOND}")
    assert (world.folder / "kept").read_text().splitlines() == kept
    # Without the list, and without its first proxy, the second that it had is enough.
    with world.up(first=False, listed=False):
        assert world.page(f"{website}/page", silent) == b"x" * BIG


def test_nothing_is_left_without_a_list(world: World, website: str) -> None:
    with pytest.raises(OSError):
        world.page(f"{website}/page", world.service)
    assert world.told[0] == f"trying {written(world.service)}"
    assert world.told[-1].startswith("no list: ")


def test_a_list_is_not_for_everybody(world: World, website: str) -> None:
    nobody = free_address()
    with world.up(), pytest.raises(OSError):
        world.page(f"{website}/page", nobody, phone="+77010000000")
    assert "a list of 0" in world.told
