"""A country: ISPs behind national gateways, a domestic exchange point, and abroad.

    subscribers                                                  gateway (filters)
    h - isp1_acc - isp1_agg - isp1_core - isp1_bdr --- GW_in ==[ GW ]== GW_out --.
    h - isp2_acc - isp2_agg - isp2_core - isp2_bdr -'    |                       |
    h - isp3_acc - isp3_agg - isp3_core - isp3_bdr --- GX_in ==[ GX ]== GX_out --|
                                             |           |                       |
                             home_gw ------- ix ---------'     transit1 - ... - edge
                                |        (domestic)                              |
                          home servers                                servers abroad

Hops from a subscriber: 1 to 4 in its ISP, 5 the gateway's inner router, then the
exchange (which decrements nothing), 6 its outer router, and `hops` (default 11) a
server abroad. Every ISP's traffic abroad passes its own gateway, both ways; between
ISPs, and to services at home, it goes over the domestic exchange point `ix` and
meets no filter. What home itself sends abroad passes the first gateway.

Try it: sudo mn --custom topologies/national.py --topo national --switch ovsbr
        --controller none --test pingall
"""

from mininet.node import Node as _Node
from mininet.topo import Topo as _Topo


class National(_Topo):
    """A country's network; `places` and `PARAMETERS` say what can be chosen."""

    PARAMETERS = {  # noqa: RUF012 - mn reads plain classes
        "isps": (3, "how many ISPs"),
        "sizes": ("6.0,3.0,1.0", "their subscribers in millions, the last repeats"),
        "gateways": (
            "beltelecom:1+2,ntec:3",
            "each gateway's name and its ISPs; without ISPs they take turns",
        ),
        "hops": (11, "the TTL that reaches a server abroad, 9 or more"),
        "delay_abroad_ms": (20, "one way, between the gateways and abroad"),
        "delay_home_ms": (2, "one way, between the domestic exchange and home"),
        "cgnat": ("", "ISPs whose subscribers share one IPv4 address each, as 2+3"),
    }

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

    def build(
        self,
        hosts=None,
        isps=3,
        sizes="6.0,3.0,1.0",
        gateways="beltelecom:1+2,ntec:3",
        hops=11,
        delay_abroad_ms=20,
        delay_home_ms=2,
        cgnat="",
    ):
        """Build it; `hosts` maps a name to its place: isp1.., home or abroad."""
        self.isps = self._whole("isps", isps, 1, 32)
        self.sizes = self._subscribers(sizes)
        self.gateways = self._gateways(gateways)
        self.cgnat = [
            self._whole("cgnat", one, 1, self.isps)
            for one in str(cgnat).split("+")
            if one
        ]
        transits = self._whole("hops", hops, 9, 40) - 8
        self.places = (*(f"isp{i}" for i in self._each_isp()), "home", "abroad")
        if hosts is None:
            hosts = {f"sub{i}": f"isp{i}" for i in self._each_isp()}
            hosts.update(bank="home", news="abroad", web="abroad")
        self.last_interface = {}
        self.doors = {}
        self._routers(transits)
        self._wires(transits, delay_abroad_ms, delay_home_ms)
        self._hosts(hosts)

    # What was asked for.

    def _each_isp(self):
        return range(1, self.isps + 1)

    @staticmethod
    def _whole(name, value, least, most):
        try:
            number = int(value)
        except (ValueError, OverflowError):
            number = least - 1
        if not least <= number <= most:
            raise ValueError(f"{name} is {value}; it can be {least} to {most}")
        return number

    def _subscribers(self, sizes):
        if isinstance(sizes, (int, float)):
            sizes = [sizes]
        elif isinstance(sizes, str):
            sizes = sizes.replace("+", ",").split(",")
        try:
            millions = [float(size) for size in sizes]
        except ValueError:
            millions = []
        if not millions or not all(0 < size < 10_000 for size in millions):
            raise ValueError("sizes are millions of subscribers, each more than zero")
        millions += [millions[-1]] * self.isps
        return [round(size * 1_000_000) for size in millions[: self.isps]]

    def _gateways(self, gateways):
        if isinstance(gateways, str):
            gateways = gateways.split(",")
        chosen = {}
        for turn, gateway in enumerate(gateways):
            if isinstance(gateway, str):
                name, _, listed = gateway.partition(":")
                own = [
                    self._whole("ISP", isp, 1, 32) for isp in listed.split("+") if isp
                ]
            else:
                name, own = gateway["name"], [int(i) for i in gateway.get("isps", ())]
            own = own or [
                i for i in self._each_isp() if (i - 1) % len(gateways) == turn
            ]
            if not 1 <= len(name) <= 10 or name in chosen:
                raise ValueError(f"a gateway's name is 1 to 10 letters, once: {name!r}")
            chosen[name] = [i for i in own if i <= self.isps]
        served = sorted(isp for own in chosen.values() for isp in own)
        if served != list(self._each_isp()):
            raise ValueError(f"every ISP needs one gateway; gateways serve {served}")
        return chosen

    # Names and addresses: one address of each family for a router, on all its links.

    def _add_router(self, name, v4, v6):
        self.doors[name] = {}
        self.addHost(
            name,
            cls=self.Router,
            role="router",
            addresses=[v4, v6],
            ip=f"{v4}/32",
            commands=[],
        )

    def _routers(self, transits):
        for i in self._each_isp():
            for number, part in enumerate(("acc", "agg", "core", "bdr"), start=1):
                v4, v6 = f"100.{63 + i}.0.{number}", f"2001:db8:{i:x}::{number}"
                self._add_router(f"isp{i}_{part}", v4, v6)
        self._add_router("ix", "100.127.255.1", "2001:db8:ff::1")
        self._add_router("home_gw", "100.127.255.2", "2001:db8:ff::2")
        for g, name in enumerate(self.gateways):
            self._add_router(f"{name}_in", f"100.127.{g}.1", f"2001:db8:f0:{g:x}::1")
            self.addSwitch(name, role="exchange", dpid=f"{g + 1:x}")
            self._add_router(f"{name}_out", f"198.19.{g}.1", f"2001:db8:80f0:{g:x}::1")
        for t in range(1, transits + 1):
            self._add_router(f"transit{t}", f"198.19.255.{t}", f"2001:db8:80ff::{t:x}")
        self._add_router("edge", "198.19.255.254", "2001:db8:80ff::fe")

    def _interface(self, name):
        number = self.last_interface[name] = self.last_interface.get(name, -1) + 1
        # Linux allows 15 letters (IFNAMSIZ), a gateway's name has up to 10.
        short = name.replace("_in", "_i").replace("_out", "_o")
        return f"{short}-{number}"

    def _wire(self, first, second, through=None, delay_ms=0):
        """Join two routers; each has its address on the wire, and reaches the other."""
        names = {node: self._interface(node) for node in (first, second)}
        delay = {"delay": f"{float(delay_ms):g}ms"} if float(delay_ms) else {}
        if through is None:
            one, two = names[first], names[second]
            self.addLink(first, second, intfName1=one, intfName2=two, **delay)
        else:
            for node, side in ((first, "inside"), (second, "outside")):
                ours, theirs = f"{through}-{side[:-4]}", names[node]
                self.addLink(node, through, intfName1=theirs, intfName2=ours, side=side)
        for node, other, mine, its in (
            (first, second, "fe80::1", "fe80::2"),
            (second, first, "fe80::2", "fe80::1"),
        ):
            device = names[node]
            pairs = zip(*(self.nodeInfo(n)["addresses"] for n in (node, other)))  # noqa: B905
            for own, peer in pairs:
                length = 128 if ":" in own else 32
                self._say(node, f"addr replace {own} peer {peer}/{length} dev {device}")
            self._say(node, f"addr replace {mine}/64 dev {device}")
            self.doors[node][other] = device, its

    def _say(self, node, line):
        self.nodeInfo(node)["commands"].append(f"ip {line}")

    def _route(self, node, neighbour, *prefixes):
        interface, link_local = self.doors[node][neighbour]
        v4 = self.nodeInfo(neighbour)["addresses"][0]
        for prefix in prefixes:
            # An IPv6 neighbour counts as reachable only once its link is up, a
            # link-local one always: routes need not wait for the other end.
            via = link_local if ":" in prefix else v4
            self._say(node, f"route replace {prefix} via {via} dev {interface}")

    def _end_here(self, node, *prefixes):
        for prefix in prefixes:
            self._say(node, f"route replace unreachable {prefix}")

    # Wires and routes.

    DEFAULT = ("0.0.0.0/0", "::/0")
    POOL = "198.51.100.0/24"  # TEST-NET-2 (RFC 5737)
    COUNTRY = ("100.64.0.0/10", "203.0.113.0/24", "2001:db8::/33", POOL)
    HOME = (
        "203.0.113.0/24",
        "100.127.255.0/24",
        "2001:db8:100::/48",
        "2001:db8:ff::/48",
    )
    ABROAD = ("198.18.0.0/15", "2001:db8:8000::/33")

    def _isp_prefixes(self, i):
        own = f"100.{63 + i}.0.0/16", f"2001:db8:{i:x}::/48"
        return (*own, f"{self._shared(i)}/32") if i in self.cgnat else own

    def _shared(self, i):
        """The address that all subscribers of an ISP share, where they share one."""
        return self.POOL.replace("0/24", str(i))

    def _translate(self, bdr, i):
        own = self._isp_prefixes(i)[0]
        leaving = f"iptables -w -t nat -A POSTROUTING -s {own} ! -d {own}"
        jump = f"-j SNAT --to-source {self._shared(i)}"
        self.nodeInfo(bdr)["commands"].append(f"{leaving} {jump}")
        self.nodeInfo(bdr)["side"] = "inside"  # the exchange sees what it has made

    def _wires(self, transits, delay_abroad_ms, delay_home_ms):
        for i in self._each_isp():
            self._isp_wires(i)
        # The more particular routes come later, and replace these.
        self._end_here("ix", *self.COUNTRY)
        self._wire("ix", "home_gw", delay_ms=delay_home_ms)
        self._route("ix", "home_gw", *self.HOME)
        self._route("home_gw", "ix", *self.DEFAULT)
        self._end_here("home_gw", *self.HOME)
        for name, own in self.gateways.items():
            self._gateway_wires(name, own)
        self._transit_wires(transits, delay_abroad_ms)

    def _isp_wires(self, i):
        acc, agg, core, bdr = (f"isp{i}_{p}" for p in ("acc", "agg", "core", "bdr"))
        own = self._isp_prefixes(i)
        for inner, outer in ((acc, agg), (agg, core), (core, bdr)):
            self._wire(inner, outer)
            self._route(inner, outer, *self.DEFAULT)
            self._route(outer, inner, *own)
        self._end_here(acc, *own)
        for lower, upper in ((acc, agg), (agg, core)):
            self._route(lower, upper, f"100.{63 + i}.0.0/24", f"2001:db8:{i:x}::/64")
        self._wire(bdr, "ix")
        self._route(bdr, "ix", *self.COUNTRY)
        self._route("ix", bdr, *own)
        if i in self.cgnat:
            self._translate(bdr, i)

    def _gateway_wires(self, name, own):
        inner, outer, first = f"{name}_in", f"{name}_out", next(iter(self.gateways))
        served = [prefix for i in own for prefix in self._isp_prefixes(i)]
        for i in own:
            bdr = f"isp{i}_bdr"
            self._wire(bdr, inner)
            self._route(bdr, inner, *self.DEFAULT)
            self._route(bdr, inner, *self._own_prefixes(inner))
            self._route(inner, bdr, *self._isp_prefixes(i))
        self._end_here(inner, *self.COUNTRY)
        if name == first:
            served += self.HOME
            self._wire("ix", inner)
            self._route("ix", inner, *self.DEFAULT)
            self._route(inner, "ix", *self.HOME)
            self._route("ix", inner, *self._own_prefixes(inner))
        served += self._own_prefixes(inner)
        self._wire(inner, outer, through=name)
        self._route(inner, outer, *self.DEFAULT)
        self._route(outer, inner, *served)
        self._end_here(outer, *self.DEFAULT)
        self._wire(outer, "transit1")
        self._route(outer, "transit1", *self.ABROAD)
        self._route("transit1", outer, *served, *self._own_prefixes(outer))

    def _own_prefixes(self, router):
        v4, v6 = self.nodeInfo(router)["addresses"]
        return [f"{v4}/32", f"{v6}/128"]

    def _transit_wires(self, transits, delay_ms):
        line = [*(f"transit{t}" for t in range(1, transits + 1)), "edge"]
        for nearer, farther in zip(line, line[1:]):  # noqa: B905, RUF007
            # The long way is the first one behind the gateways.
            self._wire(nearer, farther, delay_ms=delay_ms)
            delay_ms = 0
            self._route(nearer, farther, *self.ABROAD)
            self._route(farther, nearer, *self.COUNTRY, *self._gateway_prefixes())
        for node in line:
            self._end_here(node, *self.DEFAULT)
        self._end_here("edge", *self.ABROAD)
        self._transit_names(line)

    def _gateway_prefixes(self):
        return [
            prefix
            for name in self.gateways
            for prefix in self._own_prefixes(f"{name}_out")
        ]

    def _transit_names(self, line):
        """Let every transit router be reached by its own address from both ends."""
        for position, node in enumerate(line):
            for far in line[: max(0, position - 1)]:
                self._route(node, line[position - 1], *self._own_prefixes(far))

    # Hosts: each has a network of its own with its first router.

    def _hosts(self, hosts):
        counts = dict.fromkeys(self.places, 0)
        for name, place in hosts.items():
            if place not in counts:
                raise ValueError(f"{name}: no place {place!r} in {self.places}")
            if name in self.nodes(sort=False):
                raise ValueError(f"{name}: the network has a node of that name")
            counts[place] += 1
        self._population = dict(counts)
        numbers = dict.fromkeys(self.places, 0)
        for name, place in hosts.items():
            numbers[place] += 1
            self._host(name, place, numbers[place])

    def _host(self, name, place, k):
        router, gate4, own4, length, net6 = self._position(place, k)
        gate6, own6 = f"{net6}::1", f"{net6}::2"
        ours, theirs = f"{name}-0", self._interface(router)
        options = {}
        if place.startswith("isp"):
            size = self.sizes[int(place[3:]) - 1]
            options["subscribers"] = size // self._population[place]
        self.addHost(
            name,
            cls=self.Router,
            role="host",
            place=place,
            addresses=[own4, own6],
            ip=f"{own4}/{length}",
            commands=[
                f"ip addr replace {own4}/{length} dev {ours}",
                f"ip addr replace {own6}/64 dev {ours}",
                f"ip route replace 0.0.0.0/0 via {gate4} dev {ours}",
                f"ip route replace ::/0 via fe80::1 dev {ours}",
            ],
            **options,
        )
        self.addLink(name, router, intfName1=ours, intfName2=theirs)
        self._say(router, f"addr replace {gate4}/{length} dev {theirs}")
        self._say(router, f"addr replace {gate6}/64 dev {theirs}")
        self._say(router, f"addr replace fe80::1/64 dev {theirs}")

    @staticmethod
    def _position(place, k):
        """The router of the k-th host of a place, its addresses and its IPv6 net."""
        limit = 63 if place == "home" else 250
        if k > limit:
            raise ValueError(f"{place} has room for {limit} hosts")
        if place == "home":
            first = 4 * (k - 1)
            v4 = f"203.0.113.{first + 1}", f"203.0.113.{first + 2}"
            return "home_gw", *v4, 30, f"2001:db8:100:{k:x}"
        if place == "abroad":
            v4 = f"198.18.{k}.1", f"198.18.{k}.2"
            return "edge", *v4, 24, f"2001:db8:8000:{k:x}"
        i = int(place[3:])
        v4 = f"100.{63 + i}.{k}.1", f"100.{63 + i}.{k}.2"
        return f"isp{i}_acc", *v4, 24, f"2001:db8:{i:x}:{k:x}"


topos = {"national": National}
