"""The list of proxies: whom it means, what it holds, and who may have sealed it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from filterlab.mtproto.pushed import Rule, Way, make_keys, read_way, seal, unseal

NOW = 1_596_963_600  # 9 August 2020, 09:00 UTC
DAY = 86_400
RULES = [
    Rule("+375,-37599", (Way(("198.18.1.2", 443), "dd" + "11" * 16),)),
    Rule("", (Way(("198.18.2.2", 8443)), Way(("198.18.3.2", 443), "ee" + "22" * 29))),
]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder / "private.pem", folder / "public.pem")
    return folder / "private.pem", folder / "public.pem"


def test_a_list_comes_out_as_it_went_in(keys: tuple[Path, Path]) -> None:
    sealed = seal(RULES, NOW, keys[0])
    # tdesktop takes a list of exactly so many letters, kGoodSizeBase64.
    assert len(sealed) == 344
    assert unseal(sealed + "\n", NOW + 60, keys[1]) == RULES
    assert seal(RULES, NOW, keys[0]) != sealed
    assert unseal(seal([], NOW, keys[0]), NOW, keys[1]) == []


def test_a_list_is_believed_of_one_sender_only(
    keys: tuple[Path, Path], tmp_path: Path
) -> None:
    make_keys(tmp_path / "private.pem", tmp_path / "public.pem")
    with pytest.raises(ValueError, match="somebody else's"):
        unseal(seal(RULES, NOW, tmp_path / "private.pem"), NOW, keys[1])
    block = bytearray(base64.b64decode(seal(RULES, NOW, keys[0])))
    block[200] ^= 1
    with pytest.raises(ValueError, match="changed"):
        unseal(base64.b64encode(block).decode(), NOW, keys[1])
    with pytest.raises(ValueError, match="no longer valid"):
        unseal(seal(RULES, NOW, keys[0]), NOW + DAY + 1, keys[1])
    for strange in ("", "AAAA", "not base64", "é"):
        with pytest.raises(ValueError):
            unseal(strange, NOW, keys[1])


def test_a_list_has_room_for_a_few(keys: tuple[Path, Path]) -> None:
    ways = tuple(Way((f"198.18.{n}.2", 443), "dd" + "11" * 16) for n in range(7))
    with pytest.raises(ValueError, match="208 at most"):
        seal([Rule("+375", ways)], NOW, keys[0])


@pytest.mark.parametrize(
    ("prefixes", "phone", "meant"),
    [
        ("+375", "+375290000000", True),
        ("+375", "375 29 000 00 00", True),
        ("+375", "+77010000000", False),
        ("", "+77010000000", True),
        ("-7", "+375290000000", False),
        (",-7", "+77010000000", False),
        ("+375,-37529", "+375290000000", False),
        ("-37529,+375", "+375290000000", False),
    ],
)
def test_whom_a_rule_means(prefixes: str, phone: str, meant: bool) -> None:
    assert Rule(prefixes, ()).means(phone) is meant


def test_a_way_is_written_as_it_is_read() -> None:
    for text in ("198.18.1.2:443", "198.18.1.2:443=dd00ff"):
        assert str(read_way(text)) == text
    for text in ("", "198.18.1.2", "news.example:443", "198.18.1.2:x"):
        with pytest.raises(ValueError):
            read_way(text)
