"""The page of a public-access point where people say who they are (a captive portal).

Run as a file with the standard library alone: NAME PORT. Whoever asks it for a page of
somebody else has been led here, and is sent to the form. A name and a document's number
let an address in: the exchange is told by a datagram to that address (the port is that
of RADIUS's dynamic authorization, RFC 5176, 3), and each session is a line of JSON on
the standard output, which is the venue's journal.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

ADMITTED_PORT = 3799
_DOCUMENT = re.compile(r"[A-Z]{0,3}[0-9]{6,12}")
_MAPPED = "::ffff:"  # RFC 4291, 2.5.5.2
_FORM = """<form action="/enter">
<p><label>Name <input name="name" required></label></p>
<p><label>Document <input name="document" required></label></p>
<p><button>Go on</button></p></form>"""


class Portal(ThreadingHTTPServer):
    """Listens on every address of its host, IPv4 and IPv6."""

    daemon_threads = True
    address_family = socket.AF_INET6

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        super().__init__(("::", port), Visit, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.create_server(
            ("::", port), family=socket.AF_INET6, dualstack_ipv6=True
        )


class Visit(BaseHTTPRequestHandler):
    """One request."""

    def do_GET(self) -> None:
        """Show the form, take it, or send somebody to it who has been led here."""
        assert isinstance(self.server, Portal)
        name = self.server.name
        wanted = urlsplit(self.path)
        host = self.headers.get("Host", name).partition(":")[0].lower()
        if host != name:
            self.send_response(302)
            where = quote(f"http://{host}{self.path}", safe="")
            self.send_header("Location", f"http://{name}/?for={where}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif wanted.path == "/enter":
            self._enter({k: v[0].strip() for k, v in parse_qs(wanted.query).items()})
        else:
            self._page(200, "Say who you are", _FORM)

    do_HEAD = do_GET  # noqa: N815 - as http.server calls it

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the output is the journal."""

    def _enter(self, form: dict[str, str]) -> None:
        name, document = form.get("name", ""), form.get("document", "")
        if not name or not _DOCUMENT.fullmatch(document):
            self._page(400, "A name and the number of a document are needed", _FORM)
            return
        address = self.client_address[0].removeprefix(_MAPPED)
        entry = {"time": time.time(), "address": address}
        print(json.dumps({**entry, "name": name, "document": document}), flush=True)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as channel:
            channel.sendto(b"admitted", (address, ADMITTED_PORT))
        self._page(200, "You may go on", "<p>This visit is written down.</p>")

    def _page(self, status: int, title: str, body: str) -> None:
        head = f'<!doctype html>\n<html lang="en"><head><title>{escape(title)}</title>'
        page = f"{head}</head><body><h1>{escape(title)}</h1>\n{body}</body></html>\n"
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page.encode())))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.encode())


if __name__ == "__main__":
    with Portal(sys.argv[1], int(sys.argv[2])) as portal:
        portal.serve_forever()
