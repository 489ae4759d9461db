"""A mail server that takes every letter and keeps none (RFC 5321, section 4.5.1).

Run as a file with the standard library alone, so that it is up at once: NAME PORT.
It is there to be reached or not, as a service that a block may hit by accident.
"""

from __future__ import annotations

import socket
import socketserver
import sys

_IDLE_SECONDS = 300  # RFC 5321 section 4.5.3.2.7
_LINE_BYTES = 1000  # RFC 5321 section 4.5.3.1.6
_LETTER_LINES = 10_000  # nobody tests with a longer letter
_ANSWERS = {
    b"HELO": "250 {name}",
    b"EHLO": "250 {name}",
    b"MAIL": "250 OK",
    b"RCPT": "250 OK",
    b"DATA": "354 go on, end with a dot",
    b"RSET": "250 OK",
    b"NOOP": "250 OK",
    b"VRFY": "252 perhaps",
    b"QUIT": "221 {name} closes",
}


class Mailbox(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Listens on every address of its host, IPv4 and IPv6."""

    daemon_threads = True

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        super().__init__(("::", port), Conversation, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.create_server(
            ("::", port), family=socket.AF_INET6, dualstack_ipv6=True
        )


class Conversation(socketserver.StreamRequestHandler):
    """One client's letters."""

    timeout = _IDLE_SECONDS

    def handle(self) -> None:
        """Answer command after command until the client leaves."""
        self._say("220 {name} ESMTP")
        while line := self.rfile.readline(_LINE_BYTES):
            verb = line[:4].upper()
            self._say(_ANSWERS.get(verb, "500 what?"))
            if verb == b"DATA":
                self._skip_letter()
                self._say("250 taken")
            if verb == b"QUIT":
                return

    def _skip_letter(self) -> None:
        for _ in range(_LETTER_LINES):
            if self.rfile.readline(_LINE_BYTES) in (b".\r\n", b".\n", b""):
                return

    def _say(self, answer: str) -> None:
        assert isinstance(self.server, Mailbox)
        self.wfile.write(answer.format(name=self.server.name).encode() + b"\r\n")


if __name__ == "__main__":
    with Mailbox(sys.argv[1], int(sys.argv[2])) as mailbox:
        mailbox.serve_forever()
