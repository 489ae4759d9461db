"""The words by which a command line describes a tool of the user's own."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def of_yours(says: str) -> Any:
    """An option that describes a tool of the user's own."""
    return typer.Option(help=says, rich_help_panel="A tool of yours")


ToolServer = Annotated[
    str | None,
    of_yours(
        "Or its commands: what starts its server. ${server_address} and ${port} say"
        " where it is to listen, ${here} is this folder."
    ),
]
ToolClient = Annotated[str | None, of_yours("What starts its client.")]
ToolPort = Annotated[str, of_yours("Where its server listens, and by what.")]
Socks = Annotated[str | None, of_yours("It is entered by SOCKS5, at this port.")]
Http = Annotated[str | None, of_yours("By HTTP CONNECT, at this port.")]
Tun = Annotated[str | None, of_yours("By this interface, which it makes.")]
Dns = Annotated[str | None, of_yours("It is a resolver, at this port.")]
