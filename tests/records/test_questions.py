"""The four questions of an authority, and what each answer says it cannot know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filterlab.records import questions
from filterlab.records.book import DAY_MS, Book
from filterlab.records.entries import Flow, Subscriber

POOL = "203.0.113.9"


def flow(line: str | None, start: int, end: int, port: int | None, **more: Any) -> Flow:
    facts: dict[str, Any] = {
        "transport": "tcp",
        "internal_ip": "100.64.0.2",
        "internal_port": 40000,
        "external_ip": POOL,
        "site_name": "news.example",
        "site_ip": "198.18.0.5",
        "site_port": 443,
        "bytes_up": 1,
        "bytes_down": 2,
    }
    return Flow(line, start, end, external_port=port, **{**facts, **more})


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with Book(tmp_path / "records.sqlite") as book:
        book.append(
            subscribers=[
                Subscriber("alice", "Alice Example", "B-17"),
                Subscriber("boris", "Boris Example", "B-18"),
            ]
        )
        yield book


def lines(answer: questions.Answer) -> list[str | None]:
    return [row["line"] for row in answer.rows]


def test_an_address_and_port_at_a_time_name_one_subscriber(book: Book) -> None:
    book.append([flow("alice", 100, 200, 5001), flow("boris", 100, 200, 5002)])
    book.append([flow("boris", 300, 400, 5001)])  # the port is given anew later
    assert lines(questions.who_had(book, POOL, 5001, 150)) == ["alice"]
    assert lines(questions.who_had(book, POOL, 5001, 350)) == ["boris"]
    assert questions.who_had(book, POOL, 5001, 150).unknown == ()
    assert questions.who_had(book, POOL, 5001, 250).rows == ()


def test_without_the_port_a_shared_address_tells_nobody(book: Book) -> None:
    book.append([flow("alice", 100, 200, 5001), flow("boris", 100, 200, 5002)])
    answer = questions.who_had(book, POOL, None, 150)
    assert sorted(filter(None, lines(answer))) == ["alice", "boris"]
    [why] = answer.unknown
    assert "2 subscribers shared 203.0.113.9" in why
    assert "without the port" in why


def test_a_translation_without_a_log_of_ports_tells_nobody(book: Book) -> None:
    book.append([flow("alice", 100, 200, None), flow("boris", 100, 200, None)])
    answer = questions.who_had(book, POOL, 5001, 150)
    assert len(answer.rows) == 2
    assert "kept no log of ports" in answer.unknown[0]
    assert "cannot be told" in answer.unknown[1]


def test_a_subscriber_is_found_by_line_name_and_contract(book: Book) -> None:
    book.append([flow("alice", 100, 200, 1), flow("boris", 100, 200, 2)])
    for named in ("alice", "Alice Example", "B-17"):
        assert lines(questions.visited(book, named)) == ["alice"]


def test_what_a_subscriber_hides_is_counted(book: Book) -> None:
    book.append(
        [
            flow("alice", 1, 2, 1),
            flow("alice", 1, 2, 2, site_name="cover.example", hidden="ech"),
            flow("alice", 1, 2, 3, site_name=None, protocol="openvpn"),
            flow("alice", 1, 2, 4, site_name=None, hidden="encrypted"),
        ]
    )
    answer = questions.visited(book, "alice")
    assert len(answer.rows) == 4
    assert len(answer.unknown) == 3
    assert any("1 connection encrypted the site's name" in u for u in answer.unknown)
    assert any("went into a tunnel" in u for u in answer.unknown)


def test_a_period_bounds_what_is_told(book: Book) -> None:
    book.append([flow("alice", 100, 200, 1), flow("alice", 500, 600, 2)])
    assert len(questions.visited(book, "alice", 150, 300).rows) == 1
    assert len(questions.visited(book, "alice", 250, 300).rows) == 0


def test_a_site_is_found_by_name_below_it_and_by_address(book: Book) -> None:
    book.append(
        [
            flow("alice", 1, 2, 1),
            flow("boris", 1, 2, 2, site_name="www.news.example"),
            flow("boris", 1, 2, 3, site_name="badnews.example"),
        ]
    )
    assert lines(questions.visitors(book, "news.example")) == ["alice", "boris"]
    assert len(questions.visitors(book, "198.18.0.5").rows) == 3


def test_who_visited_says_whom_it_cannot_exclude(book: Book) -> None:
    book.append(
        [
            flow("alice", 1, 2, 1),
            flow("boris", 1, 2, 2, site_name=None, hidden="no name"),
            flow("boris", 1, 2, 3, site_name=None, protocol="wireguard", site_ip="::5"),
        ]
    )
    unknown = questions.visitors(book, "news.example").unknown
    assert any("1 subscriber spoke with the same address" in u for u in unknown)
    assert any("1 subscriber used a tunnel" in u for u in unknown)


def test_a_vpn_is_told_by_its_protocol_and_the_rest_is_not_denied(book: Book) -> None:
    book.append(
        [
            flow("alice", 1, 2, 1, protocol="openvpn", site_name=None),
            flow("boris", 1, 2, 2, site_name=None, hidden="encrypted"),
        ]
    )
    answer = questions.tunnel_users(book)
    assert lines(answer) == ["alice"]
    assert "looks the same" in answer.unknown[0]


def test_a_flow_of_nobody_is_told_as_such(book: Book) -> None:
    book.append([flow(None, 100, 200, 5001)])
    answer = questions.who_had(book, POOL, 5001, 150)
    assert lines(answer) == [None]
    assert "1 connection belongs" in answer.unknown[0]


def test_a_cover_name_may_stand_for_any_site(book: Book) -> None:
    book.append(
        [flow("boris", 1, 2, 1, site_name="cover.example", site_ip="::7", hidden="ech")]
    )
    answer = questions.visitors(book, "news.example")
    assert answer.rows == ()
    assert "1 subscriber showed a cover name alone (ECH)" in answer.unknown[0]


def test_who_asks_for_a_whole_second_gets_all_of_it(book: Book) -> None:
    book.append([flow("alice", 1100, 1200, 1), flow("boris", 1900, 2500, 2)])
    assert lines(questions.who_had(book, POOL, None, 1000, 1999)) == ["alice", "boris"]
    assert questions.who_had(book, POOL, None, 1000).rows == ()


def test_a_subscriber_that_nobody_knows_is_said(book: Book) -> None:
    [why] = questions.visited(book, "carol").unknown
    assert why == "no subscriber is called carol; known are alice, boris"
    assert questions.visited(book, "boris").unknown == ()


def test_a_time_that_the_records_do_not_reach_is_said(book: Book) -> None:
    [why] = questions.who_had(book, POOL, 1, 5).unknown
    assert why == "no connection is recorded at all"
    old, young = flow("alice", 10, 20, 1), flow("alice", 2 * DAY_MS, 3 * DAY_MS, 1)
    book.append([old, young])
    [why] = questions.who_had(book, POOL, 1, 4 * DAY_MS).unknown
    assert "reach from 1970-01-01 00:00:00.010 to 1970-01-04" in why
    assert questions.who_had(book, POOL, 2, DAY_MS).unknown == ()
    book.forget(DAY_MS + 21, 1)
    [why] = questions.who_had(book, POOL, 1, 15).unknown
    assert "has been deleted for its age" in why


def test_a_percent_sign_in_a_site_is_no_pattern(book: Book) -> None:
    book.append([flow("alice", 1, 2, 1)])
    assert questions.visitors(book, "%").rows == ()
