"""The smallest lab: one client, one exchange, one server.

    inside                                                       outside
    client --- inner ===[ exchange ]=== outer --- (delay_ms) --- server

Two Linux routers, so that TTL and traceroute mean something: the exchange lies
between hop 1 and hop 2, a server answers at hop 3. For exercises and small tests.

Try it: sudo mn --custom topologies/single.py --topo single --switch ovsbr
        --controller none --test pingall
"""

from mininet.node import Node as _Node
from mininet.topo import Topo as _Topo


class Single(_Topo):
    """Clients inside, servers outside, one exchange between them."""

    PARAMETERS = {  # noqa: RUF012 - mn reads plain classes
        "delay_ms": (0, "one way, between the outer router and each server"),
    }
    places = ("inside", "outside")

    class Router(_Node):
        """A Linux router, and a host: under plain mn, it sets itself up."""

        def config(self, commands=(), role="host", **params):
            """Do what the topology says, after Mininet's own configuration."""
            result = super().config(**params)
            if role == "router":
                self.cmd("sysctl -w net.ipv4.ip_forward=1")
                self.cmd("sysctl -w net.ipv6.conf.all.forwarding=1")
            for command in commands:
                self.cmd(command)
            return result

    # Router, address of each family, its networks, its port of the exchange.
    INNER = ("inner", "100.64.0.1", "2001:db8::1", "100.64", "2001:db8:1", "in")
    OUTER = (
        "outer",
        "198.19.0.1",
        "2001:db8:8000::1",
        "198.18",
        "2001:db8:8001",
        "out",
    )

    def build(self, hosts=None, delay_ms=0):
        """Build it; `hosts` maps a name to its place: inside or outside."""
        if hosts is None:
            hosts = {"client": "inside", "server": "outside"}
        self.addSwitch("exchange", role="exchange", dpid="1")
        self._router(self.INNER, self.OUTER, "fe80::1", "fe80::2")
        self._router(self.OUTER, self.INNER, "fe80::2", "fe80::1")
        numbers = dict.fromkeys(self.places, 0)
        for name, place in hosts.items():
            if place not in numbers:
                raise ValueError(f"{name}: no place {place!r} in {self.places}")
            if name in self.nodes(sort=False):
                raise ValueError(f"{name}: the network has a node of that name")
            numbers[place] += 1
            if numbers[place] > 250:
                raise ValueError(f"{place} has room for 250 hosts")
            router, delay = (
                (self.INNER, 0) if place == "inside" else (self.OUTER, float(delay_ms))
            )
            self._host(name, place, router, numbers[place], delay)

    def _router(self, own, other, link_local, neighbour):
        name, v4, v6, _, _, side = own
        _, other4, other6, net4, net6, _ = other
        device = f"{name}-0"
        self.addHost(
            name,
            cls=self.Router,
            role="router",
            addresses=[v4, v6],
            ip=f"{v4}/32",
            commands=[
                f"ip addr replace {v4} peer {other4}/32 dev {device}",
                f"ip addr replace {v6} peer {other6}/128 dev {device}",
                f"ip addr replace {link_local}/64 dev {device}",
                "ip route replace unreachable 0.0.0.0/0",
                "ip route replace unreachable ::/0",
                f"ip route replace {net4}.0.0/16 via {other4} dev {device}",
                f"ip route replace {net6}::/48 via {neighbour} dev {device}",
            ],
        )
        self.addLink(
            name,
            "exchange",
            intfName1=device,
            intfName2=f"exchange-{side}",
            side=f"{side}side",
        )

    def _host(self, name, place, router, k, delay):
        gateway, _, _, net4, net6, _ = router
        ours, theirs = f"{name}-0", f"{gateway}-{k}"
        v4, v6 = f"{net4}.{k}", f"{net6}:{k:x}:"
        weight = {"subscribers": 1} if place == "inside" else {}
        self.addHost(
            name,
            cls=self.Router,
            role="host",
            place=place,
            addresses=[f"{v4}.2", f"{v6}:2"],
            ip=f"{v4}.2/24",
            commands=[
                f"ip addr replace {v4}.2/24 dev {ours}",
                f"ip addr replace {v6}:2/64 dev {ours}",
                f"ip route replace 0.0.0.0/0 via {v4}.1 dev {ours}",
                f"ip route replace ::/0 via fe80::1 dev {ours}",
            ],
            **weight,
        )
        options = {"delay": f"{delay:g}ms"} if delay else {}
        self.addLink(name, gateway, intfName1=ours, intfName2=theirs, **options)
        self.nodeInfo(gateway)["commands"] += [
            f"ip addr replace {v4}.1/24 dev {theirs}",
            f"ip addr replace {v6}:1/64 dev {theirs}",
            f"ip addr replace fe80::1/64 dev {theirs}",
        ]


topos = {"single": Single}
