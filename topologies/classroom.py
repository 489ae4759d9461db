"""A walled garden: one class behind an exchange of its own, the campus, the Internet.

    pupils ----.                                                    internet
               class_gw ==[ class ]== dist - core - (delay_ms) - upstream
    teachers'  -'  |                   |                            |
    server -------'                 campus                       servers

The class has its own server on its own side, so what it offers meets no filter; all
that leaves the class, for the campus or the Internet, and all that comes in, passes
the exchange. It lies between hop 1 and hop 2; a host of the campus answers at hop 3,
a server in the Internet at hop 5.

Try it: sudo mn --custom topologies/classroom.py --topo classroom --switch ovsbr
        --controller none --test pingall
"""

from mininet.node import Node as _Node
from mininet.topo import Topo as _Topo


class Classroom(_Topo):
    """A class and around it; `places` and `PARAMETERS` say what can be chosen."""

    PARAMETERS = {  # noqa: RUF012 - mn reads plain classes
        "pupils": (24, "how many sit in the class"),
        "delay_ms": (10, "one way, between the campus and the internet"),
    }
    places = ("class", "campus", "internet")

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

    # A place's router, and its networks of each family.
    SITES = {  # noqa: RUF012
        "class": ("class_gw", "100.64.{}", "2001:db8:1:{:x}:"),
        "campus": ("dist", "100.65.{}", "2001:db8:2:{:x}:"),
        "internet": ("upstream", "198.18.{}", "2001:db8:8000:{:x}:"),
    }
    # In the order of the way out; an address of each family.
    ROUTERS = {  # noqa: RUF012
        "class_gw": ("100.127.0.1", "2001:db8:ff::1"),
        "dist": ("100.127.0.2", "2001:db8:ff::2"),
        "core": ("198.19.0.1", "2001:db8:80ff::1"),
        "upstream": ("198.19.0.2", "2001:db8:80ff::2"),
    }
    DEFAULT = ("0.0.0.0/0", "::/0")
    CLASS = ("100.64.0.0/16", "2001:db8:1::/48", "100.127.0.1/32", "2001:db8:ff::1/128")
    INSIDE = ("100.64.0.0/10", "2001:db8::/33")
    INTERNET = ("198.18.0.0/15", "2001:db8:8000::/33")

    def build(self, hosts=None, pupils=24, delay_ms=10):
        """Build it; `hosts` maps a name to its place, one of `places`."""
        if hosts is None:
            hosts = {"pupil": "class", "books": "class", "lecturer": "campus"}
            hosts.update(news="internet")
        self.pupils = int(pupils)
        self.doors = {name: {} for name in self.ROUTERS}
        for name, (v4, v6) in self.ROUTERS.items():
            self._node(name, "router", [v4, v6], f"{v4}/32")
        self.addSwitch("class", role="exchange", dpid="1")
        self._wire("class_gw", "dist", through="class")
        self._wire("dist", "core")
        self._wire("core", "upstream", delay_ms=float(delay_ms))
        self._routes()
        self._hosts(hosts)

    def _node(self, name, role, addresses, ip, **options):
        self.addHost(
            name,
            cls=self.Router,
            role=role,
            addresses=addresses,
            ip=ip,
            commands=[],
            **options,
        )

    def _say(self, node, line):
        self.nodeInfo(node)["commands"].append(f"ip {line}")

    def _wire(self, first, second, through=None, delay_ms=0):
        names = {n: f"{n}-{len(self.doors[n])}" for n in (first, second)}
        if through is None:
            one, two = names[first], names[second]
            delay = {"delay": f"{delay_ms:g}ms"} if delay_ms else {}
            self.addLink(first, second, intfName1=one, intfName2=two, **delay)
        else:
            for node, side in ((first, "inside"), (second, "outside")):
                port = f"{through}-{side[:-4]}"
                self.addLink(
                    node, through, intfName1=names[node], intfName2=port, side=side
                )
        for node, other, own, neighbour in (
            (first, second, "fe80::1", "fe80::2"),
            (second, first, "fe80::2", "fe80::1"),
        ):
            device = names[node]
            (v4, v6), (other4, other6) = self.ROUTERS[node], self.ROUTERS[other]
            self._say(node, f"addr replace {v4} peer {other4}/32 dev {device}")
            self._say(node, f"addr replace {v6} peer {other6}/128 dev {device}")
            self._say(node, f"addr replace {own}/64 dev {device}")
            # Link-local: such a neighbour counts as reachable before its link is up.
            self.doors[node][other] = device, other4, neighbour

    def _routes(self):
        for node, *ends in (
            ("class_gw", *self.DEFAULT, *self.CLASS[:2]),
            ("dist", *self.DEFAULT, *self.INSIDE),
            ("core", *self.DEFAULT),
            ("upstream", *self.DEFAULT, *self.INTERNET),
        ):
            for prefix in ends:
                self._say(node, f"route replace unreachable {prefix}")
        self._route("class_gw", "dist", *self.DEFAULT)
        self._route("dist", "class_gw", *self.CLASS)
        self._route("dist", "core", *self.DEFAULT)
        for node, inner in (("core", "dist"), ("upstream", "core")):
            self._route(node, inner, *self.INSIDE)
        self._route("core", "upstream", *self.INTERNET)

    def _route(self, node, neighbour, *prefixes):
        device, v4, link_local = self.doors[node][neighbour]
        for prefix in prefixes:
            via = link_local if ":" in prefix else v4
            self._say(node, f"route replace {prefix} via {via} dev {device}")

    def _hosts(self, hosts):
        numbers = dict.fromkeys(self.places, 0)
        placed = list(hosts.values())
        for name, place in hosts.items():
            if place not in numbers:
                raise ValueError(f"{name}: no place {place!r} in {self.places}")
            if name in self.nodes(sort=False):
                raise ValueError(f"{name}: the network has a node of that name")
            numbers[place] += 1
            options = {}
            if place == "class":
                options["subscribers"] = self.pupils // placed.count(place)
            self._host(name, place, numbers[place], options)

    def _host(self, name, place, k, options):
        router, net4, net6 = self.SITES[place]
        if k > 250:
            raise ValueError(f"{place} has room for 250 hosts")
        ours, theirs = f"{name}-0", f"{router}-h{k}"
        length, gate4, own4 = 24, f"{net4.format(k)}.1", f"{net4.format(k)}.2"
        gate6, own6 = f"{net6.format(k)}:1", f"{net6.format(k)}:2"
        self._node(
            name, "host", [own4, own6], f"{own4}/{length}", place=place, **options
        )
        self.addLink(name, router, intfName1=ours, intfName2=theirs)
        self._say(name, f"addr replace {own4}/{length} dev {ours}")
        self._say(name, f"addr replace {own6}/64 dev {ours}")
        self._say(name, f"route replace 0.0.0.0/0 via {gate4} dev {ours}")
        self._say(name, f"route replace ::/0 via fe80::1 dev {ours}")
        self._say(router, f"addr replace {gate4}/{length} dev {theirs}")
        self._say(router, f"addr replace {gate6}/64 dev {theirs}")
        self._say(router, f"addr replace fe80::1/64 dev {theirs}")


topos = {"classroom": Classroom}
