"""The Telegram-like service: it answers calls for web pages, which it fetches itself.

It takes the three plain transports and the obfuscated one, as Telegram's data centres
do.
"""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from pathlib import Path

from filterlab.mtproto import channel, message
from filterlab.mtproto.channel import Bare, Channel
from filterlab.mtproto.framing import ABRIDGED, MOST_BYTES, TAGS, pack, read_message
from filterlab.mtproto.proxy import Address

_FETCH_SECONDS = 10.0  # less than any of the lab's probes waits
# What a frame can hold, less a string's and a message's headers and padding.
_MOST_PAGE = MOST_BYTES - 1_024
_BAD_REQUEST, _UNAVAILABLE = 400, 503  # as Telegram's errors are numbered


async def serve_service(listen: Address, auth_key: bytes, ca_file: Path) -> None:
    """Serve until the program is ended."""
    context = ssl.create_default_context(cafile=str(ca_file))

    async def on_client(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        client = Bare(reader, writer)
        try:
            await _answer(client, auth_key, context)
        except (OSError, asyncio.IncompleteReadError) as error:
            print(f"hung up: {error}", flush=True)
        except ValueError as error:
            print(f"refused: {error}", flush=True)
        finally:
            client.close()

    server = await asyncio.start_server(on_client, *listen)
    await server.serve_forever()


async def _answer(client: Channel, auth_key: bytes, context: ssl.SSLContext) -> None:
    tag, client = await _open(client)
    while True:
        sealed = await read_message(tag, client)
        session_id, call = message.Session(auth_key, False, b"").open(sealed)
        session = message.Session(auth_key, False, session_id)
        body = await asyncio.to_thread(_page, call, context)
        await client.write(pack(tag, session.seal(body)))


async def _open(client: Channel) -> tuple[bytes, Channel]:
    """The framing that a client names, and its connection behind that."""
    begun = await client.read_exactly(1)
    if begun == ABRIDGED[:1]:
        return ABRIDGED, client
    begun += await client.read_exactly(3)
    if begun in TAGS:
        return begun, client
    return await channel.accept(client, b"", begun)


def _page(call: bytes, context: ssl.SSLContext) -> bytes:
    """The answer to a call: a page, or why there is none."""
    try:
        url = message.read_call(call)
        if not url.startswith(("http://", "https://")):
            return message.refusal(_BAD_REQUEST, "WEBPAGE_URL_INVALID")
        with urllib.request.urlopen(
            url, timeout=_FETCH_SECONDS, context=context
        ) as answer:
            page = answer.read(_MOST_PAGE + 1)
    except (OSError, ValueError) as error:
        return message.refusal(_UNAVAILABLE, f"WEBPAGE_NOT_FOUND: {error}")
    if len(page) > _MOST_PAGE:
        return message.refusal(_BAD_REQUEST, "WEBPAGE_TOO_BIG")
    return message.result(page)
