"""Leads a device's traffic into a tunnel, and out of it again at the far end.

The client is a device of its own, so its default routes may go: everything leaves
through the tunnel except what must reach the tool's own hosts. Where the tunnel
carries no IPv6, IPv6 has no route at all, as a VPN that does not leak has it; and the
far end is a router with NAT, as a VPN server is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from filterlab.lab.processes import Node

# What is to be done, a shell script, the node to run it in; returns what it said.
Run = Callable[[str, str, Node], str]

# Each family's default route, without its first word: where everything goes today.
_ASK = """
ip -4 route show default | head -n 1
echo --
ip -6 route show default | head -n 1
echo --
ip -6 address show dev {tun} scope global
"""


def lead_into_tunnel(
    tun: str,
    *,
    client: Node,
    exit_host: Node,
    outside: Sequence[str],
    run: Run,
    translates: bool = True,
) -> Callable[[], None]:
    """Route the client into its interface `tun`; `outside` are addresses that stay out.

    An exit that does not translate answers for its users in its own network.
    Returns what puts the client's routes back, for when the tunnel is gone. Raises
    what `run` raises where a command fails.
    """
    run("exit", _exit_script() if translates else _ANSWERING, exit_host)
    old4, old6, tun_addresses = (
        part.strip() for part in run("routes", _ASK.format(tun=tun), client).split("--")
    )
    lines = []
    for address in outside:
        old = old6 if ":" in address else old4
        lines.append(_stays_out(address, old))
    lines.append(f"ip -4 route replace default dev {tun}")
    if old6:
        lines.append(f"ip -6 route del {old6}")
    if tun_addresses:
        lines.append(f"ip -6 route replace default dev {tun}")
    back = "\n".join(_way_back(old4, old6, outside))
    try:
        run("into the tunnel", "\n".join(filter(None, lines)), client)
    except BaseException:
        run("out of the tunnel", back, client)
        raise

    def put_back() -> None:
        run("out of the tunnel", back, client)

    return put_back


def _way_back(old4: str, old6: str, outside: Sequence[str]) -> list[str]:
    lines = [f"ip -4 route replace {old4}"] if old4 else []
    # A default through the tunnel would stand beside it: IPv6 has several.
    lines.append("ip -6 route flush default")
    if old6:
        lines.append(f"ip -6 route replace {old6}")
    for address in outside:
        family, old = ("-6", old6) if ":" in address else ("-4", old4)
        if old:
            lines.append(f"ip {family} route flush {address}")
    return lines


def _stays_out(address: str, old_default: str) -> str:
    """The way there as it was; nothing to say where it is a neighbour."""
    if not old_default:
        return ""
    family = "-6" if ":" in address else "-4"
    way = old_default.removeprefix("default ")
    return f"ip {family} route replace {address} {way}"


# Forward, and answer who asks for a user's address on the network outside: its router
# takes the whole network for neighbours (RFC 1027).
_ANSWERING = """
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv4/conf/all/proxy_arp
"""


def _exit_script() -> str:
    """Forward and masquerade both families, by the interface of the default route.

    IPv6 is left alone where the kernel has no NAT for it.
    """
    return """
echo 1 > /proc/sys/net/ipv4/ip_forward
out=$(ip -4 route show default | sed -n '1s/.* dev \\([^ ]*\\).*/\\1/p')
test -n "$out"
iptables -w -t nat -C POSTROUTING -o "$out" -j MASQUERADE 2>/dev/null ||
  iptables -w -t nat -A POSTROUTING -o "$out" -j MASQUERADE
out=$(ip -6 route show default | sed -n '1s/.* dev \\([^ ]*\\).*/\\1/p')
test -n "$out" || exit 0
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
ip6tables -w -t nat -C POSTROUTING -o "$out" -j MASQUERADE 2>/dev/null ||
  ip6tables -w -t nat -A POSTROUTING -o "$out" -j MASQUERADE || true
"""
