"""The addresses handed over: any list, any overlap, the same answer as ipaddress."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterlab.attribution.registry import BadLine, Registry, prefixes_of

V4 = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda drawn: IPv4Network(drawn, strict=False)
)
V6 = st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
    lambda drawn: IPv6Network(drawn, strict=False)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(V4 | V6, max_size=20), st.data())
def test_holds_what_any_prefix_holds(
    prefixes: list[IPv4Network | IPv6Network], data: st.DataObject
) -> None:
    registry = Registry(prefixes)
    edges = [p.network_address for p in prefixes] + [
        p.broadcast_address for p in prefixes
    ]
    near = [
        type(edge)(max(0, int(edge) + data.draw(st.integers(-1, 0)))) for edge in edges
    ]
    for address in [*edges, *near, ip_address("192.0.2.1"), ip_address("2001:db8::1")]:
        expected = any(address.version == p.version and address in p for p in prefixes)
        assert registry.holds(str(address)) == expected


def test_reads_one_prefix_a_line() -> None:
    text = "# North\n100.64.0.0/16\n\n2001:db8:1::/48  # and IPv6\n100.65.1.2\n"
    assert prefixes_of(text) == [
        ip_network("100.64.0.0/16"),
        ip_network("2001:db8:1::/48"),
        ip_network("100.65.1.2/32"),
    ]


@pytest.mark.parametrize("line", ["100.64.0.0/33", "north", "100.64.0.1/16", "::/129"])
def test_names_the_line_that_is_no_prefix(line: str) -> None:
    with pytest.raises(BadLine) as raised:
        prefixes_of(f"100.64.0.0/16\n{line}\n")
    assert (raised.value.number, raised.value.value) == (2, line)
