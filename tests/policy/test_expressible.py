"""Every published censor that goes by traffic can be written down as YAML alone.

`models.yaml` has those that are not shipped: position, how the box follows connections,
what it looks for, and what it does. Shipped ones are tested by what was published of
them. What no policy file says, and why, stands in `BEYOND`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from filterlab.policy.engine import Engine
from filterlab.scenario import content
from filterlab.scenario.policies import load_policy

SHIPPED = {
    "by-2020-business-network",
    "by-2020-beltelecom",
    "cn-dns-triplet",
    "cn-esni-2020",
    "cn-fet-2021",
    "cn-henan",
    "cn-http-keyword",
    "cn-quic-sni-2024",
    "cn-sni-rst",
    "in-airtel-http",
    "ir-http-sni",
    "ir-protocol-filter-2020",
    "kz-2020-http-sni-nullroute",
    "ru-2021-twitter-throttle",
    "ru-2022-quic-v1",
    "ru-2022-tspu-sni",
    "ru-2023-quic-sni",
    "ru-2023-vpn-protocols",
    "ru-2024-ech",
    "ru-2025-freeze-16-20k",
    "ru-2025-mobile-allowlist",
    "tm-2022",
}

_FILE = Path(__file__).with_name("models.yaml")
# Every scalar as text, as the reader of policies takes it.
WRITTEN: dict[str, dict[str, Any]] = yaml.load(_FILE.read_text(), yaml.BaseLoader)

BEYOND = {
    "by-2020-a1-squid": "a redirect is decided by address, before a name is known",
    "kz-2019-mitm": "the same; that the origin's certificate is trusted is for a proxy",
    "kz-2011-google-redirect": "what a server does is a service, not a policy",
    "kz-2011-cafe-log": "a venue's journal is no traffic",
    "ru-tspu-fragments": "fragments go on as they came, with their own TTLs",
    "ru-asbi-two-stage": "what one box sees becomes another one's list by the prober",
    "ru-2024-encapsulated-https": "the server's part of the rule is not published",
    "ru-2026-subscriber-ip": "services and registries, not an exchange, decide",
    "cn-sni-dual-box-2021": "no key asks for a later handshake message; no mechanism",
    "vpn-host-accumulation": "no rule counts what was found of a host's other flows",
    "attack-residual-weaponised": "what an attacker sends is a probe",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_model_can_be_written_down(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.yaml"
    file.write_text(yaml.safe_dump({"title": name} | WRITTEN[name]))
    Engine(load_policy(file), lambda: 0.5)


def test_each_model_is_shipped_written_or_beyond() -> None:
    assert set(content.policies()) >= SHIPPED
    assert len(SHIPPED | set(WRITTEN) | set(BEYOND)) == 72
    assert not SHIPPED & set(WRITTEN) and not set(WRITTEN) & set(BEYOND)
