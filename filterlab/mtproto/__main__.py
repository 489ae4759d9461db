"""The command line of the lab's messenger: its servers and its clients.

`service`, `proxy`, and `lists`, which hands out the list of proxies; `client` goes
through one proxy, and `roam` looks for a way. `keys` makes the key pair of the lists.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Coroutine
from pathlib import Path

from filterlab.mtproto import lists, pushed
from filterlab.mtproto.client import fetch
from filterlab.mtproto.message import key_of
from filterlab.mtproto.proxy import Address, serve_proxy
from filterlab.mtproto.roaming import Memory, Source, page_by_any_way
from filterlab.mtproto.secret import read_secret
from filterlab.mtproto.service import serve_service


def address(text: str) -> Address:
    """ADDRESS:PORT."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def main() -> int:
    """Run one of the programs; 1 if a client fetched nothing."""
    options = _parser().parse_args()
    if options.program == "proxy":
        asyncio.run(serve_proxy(options.listen, options.service, options.secret))
    elif options.program == "service":
        asyncio.run(serve_service(options.listen, options.key, options.ca_file))
    elif options.program == "lists":
        rule = pushed.Rule(options.prefixes, tuple(options.way))
        certificate = lists.Certificate(options.certificate, options.tls_key)
        asyncio.run(
            lists.serve_lists(options.listen, [rule], options.signing_key, certificate)
        )
    elif options.program == "keys":
        pushed.make_keys(options.private, options.public)
    elif options.program == "roam":
        return _print(_roam(options))
    else:
        return _print(fetch(options.proxy, options.secret, options.key, options.url))
    return 0


def _roam(options: argparse.Namespace) -> Coroutine[None, None, bytes]:
    source = Source(
        options.lists,
        options.lists_name,
        options.ca_file,
        options.public_key,
        options.phone,
    )
    return page_by_any_way(
        options.url,
        options.key,
        options.service,
        Memory(options.kept),
        source,
        int(time.time()),
        lambda said: print(said, file=sys.stderr, flush=True),
    )


def _print(fetching: Coroutine[None, None, bytes]) -> int:
    try:
        page = asyncio.run(fetching)
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
    keys = programs.add_parser("keys")
    keys.add_argument("private", type=Path)
    keys.add_argument("public", type=Path)
    _add_lists(programs.add_parser("lists"))
    _add_roam(programs.add_parser("roam"))
    client = programs.add_parser("client")
    client.add_argument("--proxy", type=address, required=True)
    client.add_argument("--secret", type=read_secret, default=read_secret(""))
    client.add_argument("--key", type=key_of, required=True)
    client.add_argument("url")
    return parser


def _add_lists(lists: argparse.ArgumentParser) -> None:
    lists.add_argument("--listen", type=address, required=True)
    lists.add_argument("--certificate", type=Path, required=True)
    lists.add_argument("--tls-key", type=Path, required=True)
    lists.add_argument("--signing-key", type=Path, required=True)
    lists.add_argument("--prefixes", required=True)
    lists.add_argument("way", type=pushed.read_way, nargs="+")


def _add_roam(roam: argparse.ArgumentParser) -> None:
    roam.add_argument("--service", type=address, required=True)
    roam.add_argument("--lists", type=address, required=True)
    roam.add_argument("--lists-name", required=True)
    roam.add_argument("--ca-file", type=Path, required=True)
    roam.add_argument("--public-key", type=Path, required=True)
    roam.add_argument("--phone", required=True)
    roam.add_argument("--kept", type=Path, required=True)
    roam.add_argument("--key", type=key_of, required=True)
    roam.add_argument("url")


if __name__ == "__main__":
    sys.exit(main())
