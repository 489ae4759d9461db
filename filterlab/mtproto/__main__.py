"""The command line of the lab's messenger: `proxy`, `service` and `client`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from filterlab.mtproto.client import fetch
from filterlab.mtproto.message import key_of
from filterlab.mtproto.proxy import Address, serve_proxy
from filterlab.mtproto.secret import read_secret
from filterlab.mtproto.service import serve_service


def address(text: str) -> Address:
    """ADDRESS:PORT."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def main() -> int:
    """Run one of the three programs; 1 if the client fetched nothing."""
    options = _parser().parse_args()
    if options.program == "proxy":
        asyncio.run(serve_proxy(options.listen, options.service, options.secret))
    elif options.program == "service":
        asyncio.run(serve_service(options.listen, options.key, options.ca_file))
    else:
        return _fetch(options)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    try:
        page = asyncio.run(
            fetch(options.proxy, options.secret, options.key, options.url)
        )
    except asyncio.IncompleteReadError:
        print("unexpected EOF: the other side hung up", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(page)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="filterlab.mtproto", description=__doc__)
    programs = parser.add_subparsers(dest="program", required=True)
    proxy = programs.add_parser("proxy")
    proxy.add_argument("--listen", type=address, required=True)
    proxy.add_argument("--service", type=address, required=True)
    proxy.add_argument("--secret", type=read_secret, default=read_secret(""))
    service = programs.add_parser("service")
    service.add_argument("--listen", type=address, required=True)
    service.add_argument("--key", type=key_of, required=True)
    service.add_argument("--ca-file", type=Path, required=True)
    client = programs.add_parser("client")
    client.add_argument("--proxy", type=address, required=True)
    client.add_argument("--secret", type=read_secret, default=read_secret(""))
    client.add_argument("--key", type=key_of, required=True)
    client.add_argument("url")
    return parser


if __name__ == "__main__":
    sys.exit(main())
