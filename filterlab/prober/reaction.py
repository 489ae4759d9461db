"""Puts one question to a server, and notes how it reacts.

The words are those of Alice et al. (IMC 2020, 5.1): R for a reset, F for an end, T for
no answer within the prober's patience, D for data; here also C where no connection
came about.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from enum import StrEnum

from filterlab.prober.questions import Question

# Published probers hang up within 10 s. The lab's servers answer within milliseconds,
# and nobody waits for ten seconds a question to learn that there is none.
PATIENCE_SECONDS = 2.0
_ANSWER_BYTES = 4096


class Ending(StrEnum):
    """How a server reacts."""

    RESET = "R"
    ENDED = "F"
    TIMEOUT = "T"
    DATA = "D"
    UNREACHED = "C"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a server did, and when."""

    ending: Ending
    seconds: float
    data: bytes = b""

    def __str__(self) -> str:
        shown = f" {self.data[:16].hex()}" if self.data else ""
        return f"{self.ending}{shown}"


def ask(
    address: str, port: int, question: Question, patience: float = PATIENCE_SECONDS
) -> Reaction:
    """Connect, send, and wait for the first thing that happens."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if question.transport == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as plain:
        plain.settimeout(patience)
        try:
            plain.connect((address, port))
        except OSError:
            return Reaction(Ending.UNREACHED, 0.0)
        started = time.monotonic()
        if question.transport == "tls":
            return _over_tls(plain, question, started)
        return _over(plain, question, started)


def _over_tls(plain: socket.socket, question: Question, started: float) -> Reaction:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        wrapped = context.wrap_socket(plain)
    except ConnectionResetError:
        return Reaction(Ending.RESET, time.monotonic() - started)
    except TimeoutError:
        return Reaction(Ending.TIMEOUT, time.monotonic() - started)
    except OSError:  # what came was no TLS, or an alert, or the end
        return Reaction(Ending.ENDED, time.monotonic() - started)
    with wrapped:
        if not question.data:
            return Reaction(Ending.DATA, time.monotonic() - started)
        return _over(wrapped, question, started)


def _over(channel: socket.socket, question: Question, started: float) -> Reaction:
    try:
        channel.sendall(question.data)
        data = channel.recv(_ANSWER_BYTES)
    except ConnectionResetError:
        return Reaction(Ending.RESET, time.monotonic() - started)
    except ConnectionRefusedError:  # an ICMP answer to a datagram
        return Reaction(Ending.UNREACHED, time.monotonic() - started)
    except TimeoutError:
        return Reaction(Ending.TIMEOUT, time.monotonic() - started)
    except OSError:
        return Reaction(Ending.ENDED, time.monotonic() - started)
    seconds = time.monotonic() - started
    return Reaction(Ending.DATA if data else Ending.ENDED, seconds, data)
