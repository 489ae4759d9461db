"""The mail server takes a letter from a real client."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

from filterlab.lab.authority import Authority
from filterlab.lab.mailbox import Mailbox


def test_a_letter_is_taken_within_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("mail", names=["mail.example"])
    secured = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    secured.load_cert_chain(certificate.chain_file, certificate.key_file)
    with Mailbox("mail.example", 0, secured) as mailbox:
        port = mailbox.socket.getsockname()[1]
        thread = threading.Thread(target=mailbox.serve_forever, daemon=True)
        thread.start()
        # Who stays silent, or does not speak TLS, holds nobody up.
        silent = socket.create_connection(("127.0.0.1", port))
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(b"EHLO stranger\r\n")
            stranger.settimeout(5)
            with suppress(ConnectionResetError):
                assert not stranger.recv(64).startswith(b"220")
        trusts = ssl.create_default_context(cafile=str(authority.ca_file))
        trusts.check_hostname = False  # smtplib takes the address for the name
        with smtplib.SMTP_SSL("127.0.0.1", port, timeout=5, context=trusts) as client:
            letter = "Subject: hello\n\nhow?"
            assert client.sendmail("a@b.example", ["c@d.example"], letter) == {}
        silent.close()
        mailbox.shutdown()
        thread.join()


def test_a_letter_is_taken_over_either_family() -> None:
    with Mailbox("mail.example", 0) as mailbox:
        port = mailbox.socket.getsockname()[1]
        thread = threading.Thread(target=mailbox.serve_forever, daemon=True)
        thread.start()
        for address in ("127.0.0.1", "::1"):
            with smtplib.SMTP(address, port, timeout=5) as client:
                refused = client.sendmail(
                    "a@home.example", ["b@mail.example"], "Subject: hello\n\n..\nhow?"
                )
                assert refused == {}
                assert client.docmd("WHAT")[0] == 500
        mailbox.shutdown()
        thread.join()
