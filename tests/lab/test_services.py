"""What resolvers know and ask, and what a web service is configured to speak."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from filterlab.lab import dns, web
from filterlab.lab.authority import Authority, Certificate
from filterlab.lab.endpoint import Socket
from filterlab.lab.processes import Supervisor
from filterlab.lab.services import (
    SPEAKS,
    ServiceSpec,
    needed_programs,
    start_services,
)

CERTIFICATE = Certificate(Path("c.pem"), Path("c.key"), Path("c.chain.pem"))
NAMES = {
    "bank.example": ("home", ("203.0.113.2", "2001:db8:1::2")),
    "news.example": ("abroad", ("198.18.0.2",)),
}
BOTH = {"home": ["203.0.113.53"], "abroad": ["198.18.0.53", "2001:db8:2::53"]}


def test_a_resolver_knows_its_place_and_asks_the_other_for_its_names() -> None:
    bank, news = dns.zones_of("home", NAMES, BOTH)
    assert bank.asked_at == ()
    assert news.asked_at == ("198.18.0.53", "2001:db8:2::53")
    bank, news = dns.zones_of("abroad", NAMES, BOTH)
    assert bank.asked_at == ("203.0.113.53",)
    assert news.asked_at == ()


def test_a_lone_resolver_knows_every_name() -> None:
    zones = dns.zones_of("home", NAMES, {"home": ["203.0.113.53"]})
    assert [zone.asked_at for zone in zones] == [(), ()]


def test_unbound_is_told_its_names_and_stubs() -> None:
    zones = dns.zones_of("home", NAMES, BOTH)
    listening = dns.sockets(("dns", "doh"), {"doh": 8443})
    text = dns.configuration(zones, listening, ["203.0.113.53"], CERTIFICATE, 7)
    assert 'local-data: "bank.example. 7 A 203.0.113.2"' in text
    assert 'local-data: "bank.example. 7 AAAA 2001:db8:1::2"' in text
    assert 'name: "news.example."\n  stub-addr: 198.18.0.53\n' in text
    assert 'local-zone: "." static' in text
    assert "interface: 203.0.113.53@53" in text
    assert "interface: 203.0.113.53@8443" in text
    assert "https-port: 8443" in text
    assert "tls-port" not in text


@pytest.mark.parametrize(
    ("speaks", "ports", "expected"),
    [
        (("http",), {}, {"port-80": ["h1"]}),
        (("bulk",), {}, {"port-80": ["h1"]}),
        (("https", "h3"), {}, {"port-443": ["h1", "h2", "h3"]}),
        (("h3",), {}, {"port-443": ["h3"]}),
        (
            ("http", "https", "h3"),
            {"http": 8080, "h3": 4433},
            {"port-8080": ["h1"], "port-443": ["h1", "h2"], "port-4433": ["h3"]},
        ),
    ],
)
def test_caddy_is_told_its_protocols(
    tmp_path: Path,
    speaks: tuple[str, ...],
    ports: dict[str, int],
    expected: dict[str, list[str]],
) -> None:
    listening = web.sockets(speaks, ports)
    content = web.configuration(
        tmp_path, [], listening, ["198.18.0.2", "2001:db8::2"], CERTIFICATE
    )
    servers = content["apps"]["http"]["servers"]
    assert {name: one["protocols"] for name, one in servers.items()} == expected
    for name, one in servers.items():
        port = name.removeprefix("port-")
        assert one["listen"] == [f"198.18.0.2:{port}", f"[2001:db8::2]:{port}"]
        assert ("tls_connection_policies" in one) == (one["protocols"] != ["h1"])
    assert content["admin"]["disabled"] is True


def test_a_page_says_whose_it_is() -> None:
    page = web.page("news.example")
    assert "<title>news.example</title>" in page
    assert "This is news.example" in page


def test_objects_have_their_size_and_do_not_compress(tmp_path: Path) -> None:
    web.write_objects(tmp_path / "objects")
    site = web.write_site(tmp_path / "one", "news.example", tmp_path / "objects")
    for name, size in web.OBJECTS.items():
        content = (site / "bytes" / name).read_bytes()
        assert len(content) == size
        sample = content[: 1 << 20]
        assert len(zlib.compress(sample, 1)) > len(sample)


def test_what_is_spoken_decides_the_programs() -> None:
    assert needed_programs(("http", "dns")) == ["caddy", "unbound"]
    assert needed_programs(("iperf", "smtp")) == ["iperf3"]
    assert set(needed_programs(tuple(SPEAKS))) == {
        "caddy",
        "unbound",
        "iperf3",
        "mitmdump",
    }
    assert Socket("dns", "udp", 53) in dns.sockets(("dns",), {})


def test_what_nobody_speaks_is_refused_before_anything_starts(tmp_path: Path) -> None:
    spec = ServiceSpec("a.example", Nowhere(), "home", ("http", "gopher"), ())
    with Supervisor(tmp_path) as supervisor:
        with pytest.raises(ValueError, match=r"a\.example cannot speak gopher"):
            start_services([spec], Authority(tmp_path), tmp_path / "s", supervisor)
        assert supervisor.processes == []
        assert not (tmp_path / "s").exists()


class Nowhere:
    """A node that is never asked for anything."""

    name = "nowhere"
    pid = 0


def test_each_name_of_a_host_has_its_own_page(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    names = ("platform.example", "one.example", "two.example")
    *more, last = web.routes(tmp_path / "s", names, tmp_path / "objects")
    assert [route["match"] for route in more] == [
        [{"host": ["one.example"]}],
        [{"host": ["two.example"]}],
    ]
    assert "match" not in last  # an address, or a name that is not served
    for route, name in zip((last, *more), names, strict=True):
        (files,) = route["handle"]
        assert f"This is {name}" in (Path(files["root"]) / "index.html").read_text()


def test_a_host_that_redirects_has_no_pages(tmp_path: Path) -> None:
    (route,) = web.routes(tmp_path, ("a.example",), tmp_path, "http://b.example/")
    (answer,) = route["handle"]
    assert answer["status_code"] == 302
    assert answer["headers"] == {"Location": ["http://b.example/"]}
