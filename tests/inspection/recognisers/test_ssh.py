"""SSH's first lines, from both sides."""

from __future__ import annotations

import pytest

from filterlab.inspection.recogniser import NEED_DATA, NOT_MINE, Direction, Finding
from filterlab.inspection.recognisers.ssh import Ssh
from tests.inspection.feeding import every_way, talked

UP, DOWN = Direction.TO_SERVER, Direction.TO_CLIENT
_CLIENT = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n"
_SERVER = b"SSH-1.99-dropbear\n"
_BOTH = Finding(
    "ssh", {"ssh.protocol": (_CLIENT.decode().strip(), "SSH-1.99-dropbear")}
)


def test_reads_both_lines_however_they_are_cut() -> None:
    for pieces in every_way(_CLIENT):
        up = [(UP, piece) for piece in pieces]
        assert talked(Ssh, *up, (DOWN, _SERVER)) == _BOTH
        assert talked(Ssh, (DOWN, _SERVER), *up) == _BOTH
        assert talked(Ssh, *up) is NEED_DATA
    for pieces in every_way(b"Welcome\r\nto all\n" + _SERVER):
        assert talked(Ssh, (UP, _CLIENT), *((DOWN, piece) for piece in pieces)) == _BOTH


def test_one_line_is_enough_if_no_other_comes() -> None:
    line = _CLIENT.decode().strip()
    one = Finding("ssh", {"ssh.protocol": (line,)})
    assert talked(Ssh, (UP, _CLIENT), to_the_end=True) == one
    assert talked(Ssh, (UP, _CLIENT), (DOWN, b"\x16\x03\x01")) == one


@pytest.mark.parametrize(
    "data",
    [b"SSH-3.0-x\r\n", b"SSL", b"\x16\x03", b"GET / HTTP/1.1", b"SSH-2." + b"a" * 300],
)
def test_other_clients_are_not_its_own(data: bytes) -> None:
    assert talked(Ssh, (UP, data)) is NOT_MINE


def test_servers_that_greet_are_waited_for_and_others_are_not() -> None:
    assert talked(Ssh, (DOWN, b"220 mail.example ESMTP\r\n")) is NEED_DATA
    mail = (DOWN, b"220 mail.example ESMTP\r\n"), (UP, b"EHLO x\r\n")
    assert talked(Ssh, *mail) is NOT_MINE
    assert talked(Ssh, (DOWN, b"\0\0\0")) is NOT_MINE
    assert talked(Ssh, (DOWN, b"a\n" * 2000)) is NOT_MINE


def test_half_a_line_says_nothing() -> None:
    assert talked(Ssh, (UP, _CLIENT[:20]), to_the_end=True) is NOT_MINE
