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
    "by-2020-a1-squid",
    "by-2020-beltelecom",
    "by-2020-mts-dns",
    "cn-dns-triplet",
    "cn-esni-2020",
    "cn-fet-2021",
    "cn-henan",
    "cn-http-keyword",
    "cn-quic-sni-2024",
    "cn-sni-dual-box-2021",
    "cn-sni-rst",
    "in-airtel-http",
    "ir-http-sni",
    "ir-protocol-filter-2020",
    "kz-2019-mitm",
    "kz-2020-http-sni-nullroute",
    "ru-2021-twitter-throttle",
    "ru-2022-quic-v1",
    "ru-2022-tspu-sni",
    "ru-2023-quic-sni",
    "ru-2023-vpn-protocols",
    "ru-2024-ech",
    "ru-2024-encapsulated-https",
    "ru-2025-freeze-16-20k",
    "ru-2025-mobile-allowlist",
    "ru-asbi-two-stage",
    "ru-tspu-fragments",
    "tm-2022",
    "vpn-host-accumulation",
}

ROOT = Path(__file__).parents[2]
_FILE = Path(__file__).with_name("models.yaml")
# Every scalar as text, as the reader of policies takes it.
WRITTEN: dict[str, dict[str, Any]] = yaml.load(_FILE.read_text(), yaml.BaseLoader)

# Shipped under another name, because the policy says more than the model.
SHIPPED_AS = {
    "by-2020-ntec-shutdown": "by-2020-cut-beltelecom",
    "kz-2011-cafe-log": "kz-2011-cafe",
}

# What is no policy, why, and what in the repository plays it.
BEYOND = {
    "kz-2011-google-redirect": (
        "a server redirects, and no exchange has a part in it",
        "scenarios/kazakhstan/2011-google-moves.yaml",
    ),
    "ru-2026-subscriber-ip": (
        "services and registries decide, by addresses that operators hand over",
        "scenarios/policies/ru-2026-vpn-exits.yaml",
    ),
    "attack-residual-weaponised": (
        "an attacker speaks in another's name; the censor is any that goes on blocking",
        "tests/policy/test_weaponised.py",
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_model_can_be_written_down(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.yaml"
    file.write_text(yaml.safe_dump({"title": name} | WRITTEN[name]))
    Engine(load_policy(file), lambda: 0.5)


def test_each_model_is_shipped_written_or_beyond() -> None:
    shipped = SHIPPED | set(SHIPPED_AS)
    assert set(content.policies()) >= SHIPPED | set(SHIPPED_AS.values())
    assert len(shipped | set(WRITTEN) | set(BEYOND)) == 72
    assert not shipped & set(WRITTEN) and not set(WRITTEN) & set(BEYOND)


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_no_policy_is_played_elsewhere(name: str) -> None:
    why, where = BEYOND[name]
    assert why and (ROOT / where).is_file()
