"""One provider that keeps records: subscribers, its exchange, its address translation.

    homes - access -.                                            ,- home servers
                    agg ==[ provider ]== cgnat - border - ix ----'
    cafe -- venue --'                                      `- (delay_ms) - edge - abroad

The exchange sees subscribers by their own addresses (100.64.0.0/10, RFC 6598); behind
it, `cgnat` makes a few public ones of all of them (IPv4 only; IPv6 passes as it is).
The exchange lies between hop 2 and hop 3; a server at home answers at hop 6, one
abroad at hop 7.

Try it: sudo mn --custom topologies/provider.py --topo provider --switch ovsbr
        --controller none --test pingall
"""

from mininet.node import Node as _Node
from mininet.topo import Topo as _Topo


class Provider(_Topo):
    """An access provider; `places` and `PARAMETERS` say what can be chosen."""

    PARAMETERS = {  # noqa: RUF012 - mn reads plain classes
        "subscribers": (30000, "how many subscribers the provider has"),
        "pool": (1, "public addresses that they share; 0 translates nothing"),
        "delay_ms": (10, "one way, between the exchange point and abroad"),
    }
    places = ("homes", "cafe", "home", "abroad")

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
        "homes": ("access", "100.64.{}", "2001:db8:1:{:x}:"),
        "cafe": ("venue", "100.65.{}", "2001:db8:2:{:x}:"),
        "home": ("ix", "203.0.113.{}", "2001:db8:3:{:x}:"),
        "abroad": ("edge", "198.18.{}", "2001:db8:8000:{:x}:"),
    }
    # In the order of the way out; an address of each family.
    ROUTERS = {  # noqa: RUF012
        "access": ("100.127.0.1", "2001:db8:ff::1"),
        "venue": ("100.127.0.2", "2001:db8:ff::2"),
        "agg": ("100.127.0.3", "2001:db8:ff::3"),
        "cgnat": ("198.19.0.1", "2001:db8:80ff::1"),
        "border": ("198.19.0.2", "2001:db8:80ff::2"),
        "ix": ("198.19.0.3", "2001:db8:80ff::3"),
        "edge": ("198.19.0.4", "2001:db8:80ff::4"),
    }
    DEFAULT = ("0.0.0.0/0", "::/0")
    HOMES = ("100.64.0.0/16", "2001:db8:1::/48", "100.127.0.1/32", "2001:db8:ff::1/128")
    CAFE = ("100.65.0.0/16", "2001:db8:2::/48", "100.127.0.2/32", "2001:db8:ff::2/128")
    INSIDE4 = "100.64.0.0/10"
    INSIDE6 = ("2001:db8:1::/48", "2001:db8:2::/48", "2001:db8:ff::/64")
    POOL = "198.51.100.0/24"  # TEST-NET-2 (RFC 5737)
    HOME = ("203.0.113.0/24", "2001:db8:3::/48")
    ABROAD = ("198.18.0.0/16", "2001:db8:8000::/48")

    def build(self, hosts=None, subscribers=30000, pool=1, delay_ms=10):
        """Build it; `hosts` maps a name to its place, one of `places`."""
        if hosts is None:
            hosts = {"alice": "homes", "boris": "homes", "guest": "cafe"}
            hosts.update(bank="home", news="abroad")
        if not 0 <= int(pool) <= 254:
            raise ValueError(f"pool is {pool}; the network has 0 to 254 addresses")
        self.doors = {name: {} for name in self.ROUTERS}
        for name, (v4, v6) in self.ROUTERS.items():
            self._node(name, "router", [v4, v6], f"{v4}/32")
        self.addSwitch("provider", role="exchange", dpid="1")
        self._wires(float(delay_ms))
        self._routes(int(pool))
        self._hosts(hosts, int(subscribers))

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
        self.nodeInfo(node)["commands"].append(line)

    def _wires(self, delay_ms):
        self._wire("access", "agg")
        self._wire("venue", "agg")
        self._wire("agg", "cgnat", through="provider")
        self._wire("cgnat", "border")
        self._wire("border", "ix")
        self._wire("ix", "edge", delay_ms=delay_ms)

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
            self._say(node, f"ip addr replace {v4} peer {other4}/32 dev {device}")
            self._say(node, f"ip addr replace {v6} peer {other6}/128 dev {device}")
            self._say(node, f"ip addr replace {own}/64 dev {device}")
            # Link-local: such a neighbour counts as reachable before its link is up.
            self.doors[node][other] = device, other4, neighbour

    def _routes(self, pool):
        for node in self.ROUTERS:
            for prefix in self.DEFAULT:
                self._say(node, f"ip route replace unreachable {prefix}")
        for inner, outer in (
            ("access", "agg"),
            ("venue", "agg"),
            ("agg", "cgnat"),
            ("cgnat", "border"),
            ("border", "ix"),
        ):
            self._route(inner, outer, *self.DEFAULT)
        self._route("agg", "access", *self.HOMES)
        self._route("agg", "venue", *self.CAFE)
        self._route("cgnat", "agg", self.INSIDE4, *self.INSIDE6)
        # The subscribers' own addresses have a way back, so that a map can be drawn;
        # what would use it unasked, the translation drops.
        way_back = (self.INSIDE4, self.POOL, *self.INSIDE6)
        self._route("border", "cgnat", *way_back)
        self._route("ix", "border", *way_back)
        self._route("edge", "ix", *way_back, *self.HOME)
        self._route("ix", "edge", *self.ABROAD)
        core4, core6 = "198.19.0.0/24", "2001:db8:80ff::/64"
        self._route("edge", "ix", core4, core6)
        self._route("ix", "border", "198.19.0.1/32", "2001:db8:80ff::1/128")
        if pool:
            self._translate(pool)

    def _translate(self, pool):
        # What nobody asked for from outside ends here.
        self._say("cgnat", f"ip route replace unreachable {self.POOL}")
        first = self.POOL.rpartition(".")[0]
        last = f"-{first}.{pool}" if pool > 1 else ""
        device = self.doors["cgnat"]["border"][0]
        out = f"iptables -w -t nat -A POSTROUTING -s {self.INSIDE4} -o {device}"
        self._say("cgnat", f"{out} -j SNAT --to-source {first}.1{last}")
        unasked = f"iptables -w -A FORWARD -i {device} -d {self.INSIDE4} -m conntrack"
        self._say("cgnat", f"{unasked} --ctstate NEW -j DROP")

    def _route(self, node, neighbour, *prefixes):
        device, v4, link_local = self.doors[node][neighbour]
        for prefix in prefixes:
            via = link_local if ":" in prefix else v4
            self._say(node, f"ip route replace {prefix} via {via} dev {device}")

    def _hosts(self, hosts, subscribers):
        numbers = dict.fromkeys(self.places, 0)
        homes = list(hosts.values()).count("homes")
        for name, place in hosts.items():
            if place not in numbers:
                raise ValueError(f"{name}: no place {place!r} in {self.places}")
            if name in self.nodes(sort=False):
                raise ValueError(f"{name}: the network has a node of that name")
            numbers[place] += 1
            options = {}
            if place in ("homes", "cafe"):
                share = subscribers // homes if place == "homes" else 1
                options["subscribers"] = share
            self._host(name, place, numbers[place], options)

    def _host(self, name, place, k, options):
        router, net4, net6 = self.SITES[place]
        limit = 63 if place == "home" else 250
        if k > limit:
            raise ValueError(f"{place} has room for {limit} hosts")
        ours, theirs = f"{name}-0", f"{router}-h{k}"
        if place == "home":  # four addresses for each: one /24 is all there is
            length, gate4, own4 = 30, net4.format(4 * k - 3), net4.format(4 * k - 2)
        else:
            length, gate4, own4 = 24, f"{net4.format(k)}.1", f"{net4.format(k)}.2"
        gate6, own6 = f"{net6.format(k)}:1", f"{net6.format(k)}:2"
        self._node(
            name, "host", [own4, own6], f"{own4}/{length}", place=place, **options
        )
        self.addLink(name, router, intfName1=ours, intfName2=theirs)
        self._say(name, f"ip addr replace {own4}/{length} dev {ours}")
        self._say(name, f"ip addr replace {own6}/64 dev {ours}")
        self._say(name, f"ip route replace 0.0.0.0/0 via {gate4} dev {ours}")
        self._say(name, f"ip route replace ::/0 via fe80::1 dev {ours}")
        self._say(router, f"ip addr replace {gate4}/{length} dev {theirs}")
        self._say(router, f"ip addr replace {gate6}/64 dev {theirs}")
        self._say(router, f"ip addr replace fe80::1/64 dev {theirs}")


topos = {"provider": Provider}
