"""The client: asks the service for a web page through a proxy, once."""

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
    bare = Bare(*await asyncio.open_connection(*proxy))
    try:
        dressed = await _dress(bare, secret)
        session = message.Session(auth_key, True, os.urandom(8))
        call = session.seal(message.web_page_call(url))
        await dressed.write(pack(secret.tag, call))
        _, body = session.open(await read_message(secret.tag, dressed))
        return message.read_result(body)
    finally:
        bare.close()


async def _dress(bare: Channel, secret: Secret) -> Channel:
    if not secret.key:
        await bare.write(secret.tag)
        return bare
    if secret.cover:
        bare = await fake_tls.connect(bare, secret.key, secret.cover)
    return await channel.obfuscate(bare, secret.tag, secret.key)
