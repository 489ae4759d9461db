"""The client: asks the service for a web page through a proxy, once.

Without a proxy it goes to the service in the obfuscated transport, as Telegram's do.
"""

from __future__ import annotations

import asyncio
import os

from filterlab.mtproto import channel, fake_tls, message
from filterlab.mtproto.channel import Bare, Channel
from filterlab.mtproto.framing import pack, read_message
from filterlab.mtproto.proxy import Address
from filterlab.mtproto.secret import Secret


async def fetch(proxy: Address, secret: Secret, auth_key: bytes, url: str) -> bytes:
    """The page at a URL, as the service sees it.

    Raises OSError or asyncio.IncompleteReadError if the connection fails, ValueError
    if what comes is not the proxy's or the service's answer, or is an error of its own.
    """
    return await _fetch(proxy, secret, auth_key, url, direct=False)


async def _fetch(
    address: Address, secret: Secret, auth_key: bytes, url: str, *, direct: bool
) -> bytes:
    bare: Channel = Bare(*await asyncio.open_connection(*address))
    try:
        if direct:
            dressed: Channel = await channel.obfuscate(bare, secret.tag, b"")
        else:
            dressed = await _dress(bare, secret)
        session = message.Session(auth_key, True, os.urandom(8))
        call = session.seal(message.web_page_call(url))
        await dressed.write(pack(secret.tag, call))
        _, body = session.open(await read_message(secret.tag, dressed))
        return message.read_result(body)
    finally:
        bare.close()


async def fetch_directly(service: Address, auth_key: bytes, url: str) -> bytes:
    """The same without a proxy; raises as `fetch` does."""
    return await _fetch(service, Secret(), auth_key, url, direct=True)


async def _dress(bare: Channel, secret: Secret) -> Channel:
    if not secret.key:
        await bare.write(secret.tag)
        return bare
    if secret.cover:
        bare = await fake_tls.connect(bare, secret.key, secret.cover)
    return await channel.obfuscate(bare, secret.tag, secret.key)
