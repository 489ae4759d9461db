"""How a server reacts, told by real sockets on the loopback."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from filterlab.prober.questions import Question
from filterlab.prober.reaction import Ending, ask

ASKED = b"hello"
RESET_AT_ONCE = struct.pack("ii", 1, 0)  # struct linger: close with a reset
# Long enough for an answer over the loopback, short enough to wait for none.
PATIENCE = 0.5


@contextmanager
def server(act: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does one thing with its first connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(100)
                act(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def reaction_to(act: Callable[[socket.socket], None]) -> tuple[Ending, bytes]:
    with server(act) as port:
        seen = ask("127.0.0.1", port, Question("q", ASKED), PATIENCE)
    return seen.ending, seen.data


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)


def wait_for_more(connection: socket.socket) -> None:
    connection.recv(100)  # until the prober hangs up


def test_tells_reset_end_silence_and_data_apart() -> None:
    assert reaction_to(reset) == (Ending.RESET, b"")
    assert reaction_to(lambda connection: None) == (Ending.ENDED, b"")
    assert reaction_to(wait_for_more) == (Ending.TIMEOUT, b"")
    assert reaction_to(lambda c: c.sendall(b"hi")) == (Ending.DATA, b"hi")


def test_a_server_that_speaks_no_tls_ends_the_handshake() -> None:
    with server(lambda connection: connection.sendall(b"HTTP/1.1 400\r\n\r\n")) as port:
        seen = ask("127.0.0.1", port, Question("q", ASKED, "tls"), PATIENCE)
    assert seen.ending is Ending.ENDED


def test_where_nobody_listens_nothing_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    for transport in ("tcp", "udp"):
        question = Question("q", ASKED, transport)
        seen = ask("127.0.0.1", port, question, PATIENCE)
        assert seen.ending is Ending.UNREACHED
