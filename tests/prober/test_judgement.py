"""What reactions prove of a server, and what they do not."""

from __future__ import annotations

import pytest

from filterlab.prober.judgement import KINDS, is_of
from filterlab.prober.questions import LONG_LENGTH, SHORT_LENGTHS, questions
from filterlab.prober.reaction import Ending, Reaction
from filterlab.scenario import proberfile

R, F, T, D = Ending.RESET, Ending.ENDED, Ending.TIMEOUT, Ending.DATA
LENGTHS = (*SHORT_LENGTHS, LONG_LENGTH)


def saw(ending: Ending, data: bytes = b"") -> Reaction:
    return Reaction(ending, 0.1, data)


def test_a_policy_can_name_what_can_be_proved() -> None:
    assert set(proberfile.KINDS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_asks_something_and_of_the_unreached_proves_nothing(
    kind: str,
) -> None:
    asked = list(questions(kind, "tcp", b"first payload", "192.0.2.1:443"))
    assert asked
    assert len({question.name for question in asked}) == len(asked)
    unreached = {question.name: saw(Ending.UNREACHED) for question in asked}
    assert not is_of(kind, unreached)
    assert not is_of(kind, {})


def openvpn(whole: Reaction, short: Reaction) -> bool:
    return is_of("openvpn", {"openvpn reset": whole, "openvpn reset, short": short})


def test_openvpn_answers_a_reset_or_hangs_up_on_a_whole_one_only() -> None:
    answer = bytes.fromhex("001a4035b71a82561fb32001")  # of openvpn 2.6
    assert openvpn(saw(D, answer), saw(T))
    assert openvpn(saw(F), saw(T))  # tls-auth: the key is not ours
    assert not openvpn(saw(F), saw(F))  # a TLS server hangs up on either
    assert not openvpn(saw(T), saw(T))  # a web server waits for the rest
    assert not openvpn(saw(D, b"\x15\x03\x01\x00\x02"), saw(D, b"\x15\x03\x01"))
    over_udp = {"openvpn reset": saw(D, answer[2:])}
    assert is_of("openvpn", over_udp)


def shadowsocks(random: str, replay: str = "TT") -> bool:
    endings = {letter: Ending(letter) for letter in "RFTD"}
    seen = {
        f"random {n}": saw(endings[letter])
        for n, letter in zip(LENGTHS, random, strict=True)
    }
    names = ("replay", "replay, changed")
    seen |= {n: saw(endings[e]) for n, e in zip(names, replay, strict=True)}
    return is_of("shadowsocks", seen)


def test_shadowsocks_by_the_reactions_that_were_published() -> None:
    """Alice et al., tables 4 and 5, at the lengths that are asked here."""
    assert shadowsocks("TTTTTTTRR", "RR")  # libev 3.0.8, AEAD of 16 bytes of salt
    assert shadowsocks("TRRRRRRRR", "RR")  # libev 3.0.8, a stream cipher of 8
    assert shadowsocks("TTTTTTTFR", "DT")  # Outline 1.0.6: serves a replay
    assert shadowsocks("TTTTTTTTT", "DT")
    assert not shadowsocks("TTTTTTTTT", "TT")  # libev 3.3.1 and later say nothing
    assert not shadowsocks("FFFFFFFFF", "FF")  # hangs up on anything
    assert not shadowsocks("TTTTTTTTD", "DD")  # a web server, a text at last


def test_proxies_and_tor_answer_in_their_own_words() -> None:
    assert is_of("socks", {"socks5 greeting": saw(D, b"\x05\x00")})
    assert not is_of("socks", {"socks5 greeting": saw(D, b"\x05\x00\x00")})
    for status, proves in ((b"200", True), (b"407", True), (b"405", False)):
        answer = saw(D, b"HTTP/1.1 %b X\r\n\r\n" % status)
        assert is_of("http-proxy", {"http connect": answer}) is proves
    assert not is_of("http-proxy", {"http connect": saw(T)})
    assert is_of("tor", {"tor versions": saw(D, b"\x00\x00\x07\x00\x06")})
    assert not is_of("tor", {"tor versions": saw(D, b"HTTP/1.1 400")})


def test_silence_proves_something_only_if_nothing_was_ever_said() -> None:
    assert is_of("silent", {"a": saw(T), "b": saw(T)})
    assert not is_of("silent", {"a": saw(T), "b": saw(R)})
