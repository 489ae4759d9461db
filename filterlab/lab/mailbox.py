"""A mail server that takes every letter and keeps none (RFC 5321, section 4.5.1).

Run as a file with the standard library alone, so that it is up at once: NAME PORT, and
with CERTIFICATE KEY within TLS from the first byte (RFC 8314, 3.3). It is there to be
reached or not, as a service that a block may hit by accident.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import sys
from typing import Any

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

    def __init__(
        self, name: str, port: int, secured: ssl.SSLContext | None = None
    ) -> None:
        self.name = name
        self._secured = secured
        super().__init__(("::", port), Conversation, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.create_server(
            ("::", port), family=socket.AF_INET6, dualstack_ipv6=True
        )

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one client, in a thread of its own: no handshake holds up another."""
        if self._secured is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(_IDLE_SECONDS)
        try:
            within = self._secured.wrap_socket(request, server_side=True)
        except OSError:  # who breaks the handshake off, or is cut off, gets nothing
            return
        with within:
            super().finish_request(within, client_address)


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
    secured = None
    if sys.argv[3:]:
        secured = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        secured.load_cert_chain(*sys.argv[3:5])
    with Mailbox(sys.argv[1], int(sys.argv[2]), secured) as mailbox:
        mailbox.serve_forever()
