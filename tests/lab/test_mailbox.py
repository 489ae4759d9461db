"""The mail server takes a letter from a real client."""

from __future__ import annotations

import smtplib
import threading

from filterlab.lab.mailbox import Mailbox


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
