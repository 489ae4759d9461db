"""Client, proxy and service over loopback sockets, in every dress a secret asks for."""

from __future__ import annotations

import asyncio
import select
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from filterlab.inspection.flow import TCP
from filterlab.inspection.recogniser import Direction, Finding, Reading
from filterlab.inspection.recognisers.fake_tls import FakeTls
from filterlab.inspection.recognisers.mtproto import Mtproto
from filterlab.inspection.recognisers.tls import Tls
from filterlab.lab.authority import Authority
from filterlab.lab.clock import wait_for
from filterlab.mtproto import channel, fake_tls
from filterlab.mtproto.channel import Bare
from filterlab.mtproto.client import fetch
from filterlab.mtproto.framing import ABRIDGED, INTERMEDIATE, PADDED, pack, read_message
from filterlab.mtproto.message import Session, key_of
from filterlab.mtproto.proxy import Address
from filterlab.mtproto.secret import read_secret
from tests.mtproto.conftest import BIG

ROOT = Path(__file__).parents[2]
SEED = "00" * 16
KEY = key_of(SEED)
SECRETS = ["", "11" * 16, "dd" + "11" * 16, "ee" + "11" * 16 + b"cover.example".hex()]


@pytest.fixture(scope="session")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Authority(tmp_path_factory.mktemp("authority")).ca_file


def free_address() -> Address:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return ("127.0.0.1", one.getsockname()[1])


class Tap(socketserver.ThreadingTCPServer):
    """Stands between client and proxy and keeps what each said, in order."""

    daemon_threads = True

    def __init__(self, proxy: Address) -> None:
        super().__init__(("127.0.0.1", 0), TapHandler)
        self.proxy = proxy
        self.said: list[tuple[Direction, bytes]] = []


class TapHandler(socketserver.BaseRequestHandler):
    server: Tap

    def handle(self) -> None:
        with socket.create_connection(self.server.proxy) as proxy:
            ways = {self.request: proxy, proxy: self.request}
            while True:
                ready, _, _ = select.select(list(ways), [], [], 10)
                for one in ready:
                    data = one.recv(65_536)
                    if not data:
                        return
                    to_server = one is self.request
                    way = Direction.TO_SERVER if to_server else Direction.TO_CLIENT
                    self.server.said.append((way, data))
                    ways[one].sendall(data)


@contextmanager
def program(name: str, listen: Address, *more: str) -> Iterator[None]:
    """A server of the messenger, as the tool starts it."""
    where = f"{listen[0]}:{listen[1]}"
    argv = [sys.executable, "-m", "filterlab.mtproto", name, "--listen", where, *more]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(f"{name} to listen", lambda: answers(listen), 10)
            yield
        finally:
            process.terminate()


def answers(address: Address) -> bool:
    try:
        socket.create_connection(address).close()
    except OSError:
        return False
    return True


def through(
    secret: str, ca_file: Path, url: str, of_client: str | None = None
) -> tuple[bytes, Tap]:
    """The page at a URL, and what went between client and proxy."""
    service, proxy = free_address(), free_address()
    upstream = f"{service[0]}:{service[1]}"
    with (
        program("service", service, "--key", SEED, "--ca-file", str(ca_file)),
        program("proxy", proxy, "--service", upstream, "--secret", secret),
        Tap(proxy) as tap,
    ):
        thread = threading.Thread(target=tap.serve_forever)
        thread.start()
        address = ("127.0.0.1", tap.server_address[1])
        asked = fetch(address, read_secret(of_client or secret), KEY, url)
        try:
            return asyncio.run(within(asked, 10 if of_client is None else 0.5)), tap
        finally:
            tap.shutdown()
            thread.join()


async def within(asked: Coroutine[None, None, bytes], seconds: float) -> bytes:
    return await asyncio.wait_for(asked, seconds)


def found(recogniser: Mtproto | FakeTls | Tls, tap: Tap) -> Finding | None:
    for direction, data in tap.said:
        said = recogniser.feed(direction, data)
        if isinstance(said, Finding):
            return said
    return None


@pytest.mark.parametrize("secret", SECRETS)
def test_a_page_comes_through_every_kind_of_proxy(
    secret: str, website: str, ca_file: Path
) -> None:
    page, _ = through(secret, ca_file, f"{website}/page")
    assert page == b"x" * BIG


def test_the_recognisers_know_what_they_can_know(website: str, ca_file: Path) -> None:
    taps = [through(s, ca_file, f"{website}/page")[1] for s in SECRETS]
    plain, *dressed = [found(Mtproto(TCP, Reading()), tap) for tap in taps]
    assert plain is not None
    assert plain.fields["mtproto.framing"] == ("intermediate",)
    assert dressed == [None] * 3  # a secret cannot be told from chance
    fakes = [found(FakeTls(TCP, Reading()), tap) for tap in taps]
    assert [fake is not None for fake in fakes] == [False, False, False, True]
    hello = found(Tls(TCP, Reading()), taps[3])
    assert hello is not None
    assert hello.fields["tls.sni"] == ("cover.example",)


def test_an_error_of_the_service_is_told(website: str, ca_file: Path) -> None:
    with pytest.raises(ValueError, match="WEBPAGE_NOT_FOUND"):
        through(SECRETS[0], ca_file, f"{website}/nosuch")
    with pytest.raises(ValueError, match="WEBPAGE_URL_INVALID"):
        through(SECRETS[0], ca_file, "file:///etc/hostname")


@pytest.mark.parametrize("secret", SECRETS[1:])
def test_a_stranger_gets_no_answer(secret: str, ca_file: Path) -> None:
    other = secret.replace("11", "22")
    with pytest.raises(TimeoutError):
        through(secret, ca_file, "http://x/", other)


class Pipe:
    """What was written can be read."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = bytearray(data)

    async def read_exactly(self, size: int) -> bytes:
        if len(self.data) < size:
            raise asyncio.IncompleteReadError(bytes(self.data), size)
        taken = bytes(self.data[:size])
        del self.data[:size]
        return taken

    async def read_some(self) -> bytes:
        return await self.read_exactly(len(self.data))

    async def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self.data.clear()


@pytest.mark.parametrize("tag", [ABRIDGED, INTERMEDIATE, PADDED])
@pytest.mark.parametrize("blocks", [1, 29, 30, 5_000])
def test_frames_bring_back_the_message(tag: bytes, blocks: int) -> None:
    message = bytes(24) + b"0123456789abcdef" * blocks
    frames = pack(tag, message) + pack(tag, message)

    async def read_both() -> list[bytes]:
        pipe = Pipe(frames)
        return [await read_message(tag, pipe) for _ in range(2)]

    assert asyncio.run(read_both()) == [message, message]


def test_a_frame_of_an_impossible_length_is_refused() -> None:
    with pytest.raises(ValueError, match="frame"):
        asyncio.run(read_message(INTERMEDIATE, Pipe(b"\xff" * 8)))


def test_messages_are_opened_by_the_other_side_alone() -> None:
    client, server = Session(KEY, True, bytes(8)), Session(KEY, False, bytes(8))
    sealed = client.seal(b"body" * 5)
    assert server.open(sealed) == (bytes(8), b"body" * 5)
    with pytest.raises(ValueError, match="changed"):
        client.open(sealed)
    with pytest.raises(ValueError, match="changed"):
        server.open(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(ValueError, match="another key"):
        Session(key_of("ff" * 16), False, b"").open(sealed)


def test_an_obfuscated_opening_names_its_framing_to_who_knows_the_secret() -> None:
    async def open_and_accept(secret: bytes) -> bytes:
        pipe = Pipe()
        await channel.obfuscate(pipe, PADDED, b"1" * 16)
        tag, _ = await channel.accept(pipe, secret)
        return tag

    assert asyncio.run(open_and_accept(b"1" * 16)) == PADDED
    with pytest.raises(ValueError, match="stranger"):
        asyncio.run(open_and_accept(b"2" * 16))


def test_a_hello_proves_the_secret_and_the_time() -> None:
    async def accept(hello: bytes, secret: bytes) -> None:
        await fake_tls.accept(Pipe(hello), secret)

    old = fake_tls.client_hello(b"s" * 16, "cover.example", 1_000)
    with pytest.raises(ValueError, match="without the secret"):
        asyncio.run(accept(old, b"s" * 16))
    assert len(old) == 517


@pytest.mark.parametrize("text", ["1", "11" * 15, "aa" + "11" * 16, "ee" + "11" * 16])
def test_a_faulty_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"secret|hexadecimal"):
        read_secret(text)


def test_who_hangs_up_ends_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        asked = fetch(server.getsockname(), read_secret(SECRETS[1]), KEY, "http://x/")
        with pytest.raises((asyncio.IncompleteReadError, OSError)):
            asyncio.run(asked)
        thread.join()


def test_a_bare_connection_reads_to_its_end() -> None:
    async def read() -> list[bytes]:
        reader = asyncio.StreamReader()
        reader.feed_data(b"ab")
        reader.feed_eof()
        bare = Bare(reader, None)  # type: ignore[arg-type]
        return [await bare.read_some(), await bare.read_some()]

    assert asyncio.run(read()) == [b"ab", b""]
