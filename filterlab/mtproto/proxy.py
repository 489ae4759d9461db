"""The proxy: takes its clients' dress off and passes their bytes on to the service.

Who does not know the secret gets no answer: what he sends is read, and nothing comes
back. (Real proxies often hand strangers on to the host whose name they borrow.)
"""

from __future__ import annotations

import asyncio

from filterlab.mtproto import channel, fake_tls
from filterlab.mtproto.channel import Bare, Channel
from filterlab.mtproto.secret import Secret

Address = tuple[str, int]


async def serve_proxy(listen: Address, service: Address, secret: Secret) -> None:
    """Serve until the program is ended."""

    async def on_client(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        client = Bare(reader, writer)
        try:
            await _pass_on(client, service, secret)
        except (OSError, asyncio.IncompleteReadError) as error:
            print(f"hung up: {error}", flush=True)
        except ValueError as error:
            print(f"a stranger: {error}", flush=True)
            while await client.read_some():
                pass
        finally:
            client.close()

    server = await asyncio.start_server(on_client, *listen)
    await server.serve_forever()


async def _pass_on(client: Bare, service: Address, secret: Secret) -> None:
    inner: Channel = client
    if secret.cover:
        inner = await fake_tls.accept(inner, secret.key)
    if not secret.key:
        upstream: Channel = Bare(*await asyncio.open_connection(*service))
        await channel.join(inner, upstream)
        return
    tag, inner = await channel.accept(inner, secret.key)
    bare = Bare(*await asyncio.open_connection(*service))
    await channel.join(inner, await channel.obfuscate(bare, tag, b""))
