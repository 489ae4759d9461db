"""A small country, by hand: two exchanges, three ISPs of 6, 3 and 1 million.

c1 - r1 -+- gwa_in =[ bel ]= gwa_out -+- far - news
c2 - r2 -'                            |
c3 - r3 --- gwb_in =[ ntec ]= gwb_out-'
     all of r1, r2, r3 - ix - bank (at home)
"""

from __future__ import annotations

import pytest
from mininet.topo import Topo

ISPS = {1: ("gwa", 6_000_000), 2: ("gwa", 3_000_000), 3: ("gwb", 1_000_000)}
GATEWAYS = {"gwa": ("bel", 1), "gwb": ("ntec", 2)}


class Country(Topo):  # type: ignore[misc]  # Mininet has no types
    """The drawing above; every route is written out."""

    def build(self) -> None:
        """Add it all."""
        for number in ISPS:
            self.isp(number)
        for name in GATEWAYS:
            self.gateway(name)
        self.home()
        self.abroad()

    def router(self, name: str, *commands: str) -> None:
        """A router that sets itself up with these lines."""
        self.addHost(name, role="router", commands=[f"ip {line}" for line in commands])

    def host(self, name: str, place: str, address: str, subscribers: int = 0) -> None:
        """A host, its one interface and its one route."""
        gateway = address.rsplit(".", 1)[0] + ".1"
        self.addHost(
            name,
            role="host",
            place=place,
            subscribers=subscribers,
            addresses=[address],
            commands=[
                f"ip address add {address}/24 dev {name}-0",
                f"ip route add default via {gateway}",
            ],
        )

    def wire(self, one: str, two: str, first: str, second: str, **more: str) -> None:
        """A link with named ends."""
        self.addLink(one, two, intfName1=first, intfName2=second, **more)

    def isp(self, i: int) -> None:
        """A client and its router."""
        self.host(f"c{i}", f"isp{i}", f"100.{63 + i}.0.2", ISPS[i][1])
        self.router(
            f"r{i}",
            f"address add 100.{63 + i}.0.1/24 dev r{i}-c",
            f"address add 10.0.{i}.2/24 dev r{i}-g",
            f"address add 10.1.{i}.2/24 dev r{i}-x",
            f"route add 203.0.113.0/24 via 10.1.{i}.1",
            f"route add default via 10.0.{i}.1",
        )
        self.wire(f"c{i}", f"r{i}", f"c{i}-0", f"r{i}-c")

    def gateway(self, name: str) -> None:
        """Two routers with an exchange between."""
        exchange, k = GATEWAYS[name]
        own = [i for i, (gateway, _) in ISPS.items() if gateway == name]
        self.router(
            f"{name}_in",
            *(f"address add 10.0.{i}.1/24 dev {name}-r{i}" for i in own),
            *(f"route add 100.{63 + i}.0.0/16 via 10.0.{i}.2" for i in own),
            f"address add 10.2.{k}.1/24 dev {name}-s",
            f"route add default via 10.2.{k}.2",
        )
        self.router(
            f"{name}_out",
            f"address add 10.2.{k}.2/24 dev {name}-o",
            f"address add 10.3.{k}.1/24 dev {name}-f",
            f"route add default via 10.3.{k}.2",
            f"route add 100.64.0.0/10 via 10.2.{k}.1",
        )
        self.addSwitch(exchange, role="exchange")
        for i in own:
            self.wire(f"r{i}", f"{name}_in", f"r{i}-g", f"{name}-r{i}")
        inside, outside = f"{exchange}-1", f"{exchange}-2"
        self.wire(f"{name}_in", exchange, f"{name}-s", inside, side="inside")
        self.wire(exchange, f"{name}_out", outside, f"{name}-o", side="outside")

    def home(self) -> None:
        """The domestic exchange point, and a bank behind it."""
        self.router(
            "ix",
            *(f"address add 10.1.{i}.1/24 dev ix-{i}" for i in ISPS),
            *(f"route add 100.{63 + i}.0.0/16 via 10.1.{i}.2" for i in ISPS),
            "address add 203.0.113.1/24 dev ix-h",
        )
        self.host("bank", "home", "203.0.113.5")
        for i in ISPS:
            self.wire(f"r{i}", "ix", f"r{i}-x", f"ix-{i}", delay="2ms")
        self.wire("ix", "bank", "ix-h", "bank-0")

    def abroad(self) -> None:
        """The world: one router and one service."""
        self.router(
            "far",
            "address add 10.3.1.2/24 dev far-gwa",
            "address add 10.3.2.2/24 dev far-gwb",
            "address add 198.18.0.1/24 dev far-n",
            "route add 100.64.0.0/15 via 10.3.1.1",
            "route add 100.66.0.0/16 via 10.3.2.1",
        )
        self.host("news", "abroad", "198.18.0.80")
        for name in GATEWAYS:
            self.wire(f"{name}_out", "far", f"{name}-f", f"far-{name}", delay="20ms")
        self.wire("far", "news", "far-n", "news-0")

    def say(self, name: str, *commands: str) -> None:
        """More lines for a node."""
        self.nodeInfo(name)["commands"] += [f"ip {line}" for line in commands]


@pytest.fixture
def country() -> Country:
    """A fresh country that a test may change."""
    return Country()


@pytest.fixture
def one_sided(country: Country) -> Country:
    """The answers to ISP 2 come back through the other gateway; `idle` is unused."""
    country.addSwitch("idle", role="exchange")
    country.say("far", "route add 100.65.0.0/16 via 10.3.2.1")
    country.say("gwb_in", "address add 10.9.0.1/24 dev gwb-r2")
    country.say("gwb_in", "route add 100.65.0.0/16 via 10.9.0.2")
    country.say("r2", "address add 10.9.0.2/24 dev r2-b")
    country.wire("gwb_in", "r2", "gwb-r2", "r2-b")
    return country
