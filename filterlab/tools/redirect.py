"""Leads a client's TCP to the web's ports into a tool's port, without its knowledge.

The tool runs on the same host, so what it sends itself must go free: whatever goes to
the tool's own hosts, and what bears its mark (SO_MARK, socket(7)). IPv6 is led there
as well: a tool that does not listen for it refuses it, and nothing leaks past it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from filterlab.lab.processes import Node
from filterlab.tools.tunnel import Run

MARK = 0x5F1  # any number: nothing else of the lab marks packets
_PORTS = "80,443"  # IANA: http, https
_CHAIN = "FILTERLAB_TOOL"


def lead_into_port(
    port: int, *, client: Node, outside: Sequence[str], run: Run
) -> Callable[[], None]:
    """Redirect the client's connections to the tool; `outside` are addresses let by.

    Returns what ends it. Raises what `run` raises where a command fails.
    """
    lines = []
    for table, own in (("iptables", "127.0.0.0/8"), ("ip6tables", "::1/128")):
        free = [one for one in outside if (":" in one) == (table == "ip6tables")]
        nat = f"{table} -w -t nat"
        lines += [
            f"{nat} -N {_CHAIN}",
            f"{nat} -A {_CHAIN} -m mark --mark {MARK} -j RETURN",
            *(f"{nat} -A {_CHAIN} -d {one} -j RETURN" for one in [own, *free]),
            f"{nat} -A {_CHAIN} -p tcp -m multiport --dports {_PORTS}"
            f" -j REDIRECT --to-ports {port}",
            f"{nat} -A OUTPUT -p tcp -j {_CHAIN}",
        ]
    run("into the port", "\n".join(lines), client)

    def put_back() -> None:
        undo = []
        for table in ("iptables", "ip6tables"):
            nat = f"{table} -w -t nat"
            undo.append(f"{nat} -D OUTPUT -p tcp -j {_CHAIN}")
            undo += [f"{nat} -F {_CHAIN}", f"{nat} -X {_CHAIN}"]
        run("out of the port", "\n".join(undo), client)

    return put_back
