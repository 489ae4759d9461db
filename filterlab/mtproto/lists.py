"""Hands out the list of proxies over HTTPS, to whoever asks.

It stands for a service so large that nobody likes to block it: Telegram's client asks
Google's and Cloudflare's DNS over HTTPS for a TXT record, and Google's Firebase
(telegramdesktop/tdesktop, mtproto/special_config_request.cpp). What comes is the same
base64 in all of them.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filterlab.mtproto.proxy import Address
from filterlab.mtproto.pushed import Rule, seal

_MOST_HEAD_BYTES = 8_192


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the server shows, and its key."""

    chain: Path
    key: Path


async def serve_lists(
    listen: Address, rules: Sequence[Rule], signing_key: Path, certificate: Certificate
) -> None:
    """Serve until the program is ended."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)

    async def on_client(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            text = seal(rules, int(time.time()), signing_key).encode()
            head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(text)}\r\n\r\n"
            writer.write(head.encode() + text)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as e:
            print(f"hung up: {e}", flush=True)
        finally:
            writer.close()

    server = await asyncio.start_server(
        on_client, *listen, ssl=context, limit=_MOST_HEAD_BYTES
    )
    await server.serve_forever()
