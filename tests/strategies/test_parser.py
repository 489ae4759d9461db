"""Geneva's notation: what is published is read, and what is read prints back."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filterlab.strategies.actions import plain
from filterlab.strategies.faults import BadNotation
from filterlab.strategies.fields import FIELDS
from filterlab.strategies.notation import (
    Action,
    Drop,
    Duplicate,
    Fragment,
    Send,
    Sleep,
    Strategy,
    Tamper,
    Trace,
    Tree,
    Trigger,
)
from filterlab.strategies.parser import parse
from tests.strategies.published import ALL, REFUSED, TAKEN


def whole(text: str) -> str:
    """A text with what may be left out put in: `-|` after trees, and the middle."""
    forests = [*text.split("\\/"), ""][:2]
    shown = []
    for forest in forests:
        trees = [tree.strip() for tree in forest.split("|") if tree.strip()]
        shown.append(" ".join(f"{tree.removesuffix('-')}-|" for tree in trees))
    return f"{shown[0]} \\/ {shown[1]}".strip()


@pytest.mark.parametrize("text", ALL)
def test_published_strategies_print_back(text: str) -> None:
    strategy = parse(text)
    assert str(strategy) == whole(text)
    assert parse(str(strategy)) == strategy


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("", r"\/"),
        (r'"\/"', r"\/"),
        (r'"[TCP:flags:A]-drop-|"', r"[TCP:flags:A]-drop-| \/"),
        ("[TCP:flags:A]-drop", r"[TCP:flags:A]-drop-| \/"),
        ("[TCP:flags:A]--|", r"[TCP:flags:A]-| \/"),
        ("\n [TCP:flags:A]-|\t[IP:ttl:3]-|\n", r"[TCP:flags:A]-| [IP:ttl:3]-| \/"),
        (
            "[TCP:flags:A]-DUPLICATE(Drop,dup)-|",
            r"[TCP:flags:A]-duplicate(drop,duplicate)-| \/",
        ),
        ("[TCP:flags:A]-duplicate(,)-|", r"[TCP:flags:A]-duplicate-| \/"),
        ("[TCP:flags:A]-drop(,)-|", r"[TCP:flags:A]-drop-| \/"),
        ("[TCP:flags:A]-duplicate{}-|", r"[TCP:flags:A]-duplicate-| \/"),
        ("[TCP:flags:A]-sleep-|", r"[TCP:flags:A]-sleep{1}-| \/"),
        ("[TCP:flags:A]-trace-|", r"[TCP:flags:A]-trace{1:64}-| \/"),
        (
            "[TCP:flags:A]-fragment{udp:2:False:0}-|",
            r"[TCP:flags:A]-fragment{ip:2:False}-| \/",
        ),
        (
            "[TCP:flags:A]-tamper{DNS:qd:compress:x}-|",
            r"[TCP:flags:A]-tamper{DNS:qd:compress}-| \/",
        ),
        (
            "[TCP:flags:A]-tamper{TCP:ack:corrupt:9}-|",
            r"[TCP:flags:A]-tamper{TCP:ack:corrupt}-| \/",
        ),
        ("[tcp:flags:S*:-2]-send-|", r"[tcp:flags:S*:-2]-send-| \/"),
        (
            r"\/ [UDP:sport:53]-drop-| \/ [IP:id:1]-|",
            r"\/ [UDP:sport:53]-drop-| [IP:id:1]-|",
        ),
    ],
)
def test_what_may_be_left_out_is_put_in(written: str, printed: str) -> None:
    assert str(parse(written)) == printed


WORDS = st.text(string.ascii_letters + string.digits + "%._", max_size=8).map(plain)
PLACES = st.sampled_from([(p, f) for p, fields in FIELDS.items() for f in fields])


def tampers(branch: st.SearchStrategy[Action | None]) -> st.SearchStrategy[Action]:
    def made(
        place: tuple[str, str], how: str, value: str, left: Action | None
    ) -> Action:
        if how == "compress":
            return Tamper(left, None, "DNS", "qd", how)
        wanted = None if how == "corrupt" else value
        return Tamper(left, None, *place, how, wanted)

    hows = st.sampled_from(["replace", "corrupt", "add", "compress"])
    return st.builds(made, PLACES, hows, WORDS, branch)


def branching(below: st.SearchStrategy[Action]) -> st.SearchStrategy[Action]:
    branch = st.none() | below
    number = st.integers(-10, 70_000)
    layer = st.sampled_from(["tcp", "ip"])
    seconds = st.sampled_from(["0", "0.5", "12"])
    return (
        st.builds(Duplicate, branch, branch)
        | st.builds(Fragment, branch, branch, layer, number, st.booleans(), number)
        | st.builds(Sleep, branch, st.none(), seconds)
        | tampers(branch)
    )


LEAVES = (
    st.just(Drop())
    | st.just(Send())
    | st.builds(Trace, st.none(), st.none(), st.integers(1, 9), st.integers(9, 99))
)
ACTIONS = st.recursive(LEAVES, branching, max_leaves=12)
INBOUND = st.recursive(
    st.just(Drop()) | st.just(Send()), lambda below: tampers(st.none() | below)
)
TRIGGERS = st.builds(
    lambda place, value, gas: Trigger(*place, value, gas),
    PLACES,
    WORDS | st.just("S*"),
    st.none() | st.integers(-5, 5),
)


def forests(actions: st.SearchStrategy[Action]) -> st.SearchStrategy[tuple[Tree, ...]]:
    trees = st.builds(Tree, TRIGGERS, st.none() | actions)
    return st.lists(trees, max_size=3).map(tuple)


@settings(deadline=None)
@given(st.builds(Strategy, forests(ACTIONS), forests(INBOUND)))
def test_any_strategy_prints_and_is_read_again(strategy: Strategy) -> None:
    assert parse(str(strategy)) == strategy


@settings(deadline=None)
@given(st.text(r"[]{}(),:|\/- TCPflagsduplicatetamper0", max_size=60))
def test_no_text_is_more_than_a_fault(text: str) -> None:
    try:
        strategy = parse(text)
    except BadNotation as bad:
        assert all(0 <= fault.at <= len(text) for fault in bad.faults)
        assert all("^" in fault.render(text) for fault in bad.faults)
    else:
        # What Geneva prints of such a text need not be what it would read again.
        trees = [tree for tree in re.split(r"[|]|\\/", text) if tree.strip(' "')]
        assert str(strategy).count("|") == len(trees)


@pytest.mark.parametrize(
    ("text", "under", "says", "help"),
    [
        ("asdf", "asdf", "begins with its trigger", "[TCP:flags:PA]"),
        ("[TCP:flags:A]-| /", "/", "begins with its trigger", "single ones"),
        ("[TCP:flags:A", "[", "the trigger has no end", ""),
        ("[TCP:flags:A]", "", "its actions follow", ""),
        ("[TCP:flags]-|", "TCP:flags", "3 parts or 4, not 2", ""),
        ("[TPC:flags:A]-|", "TPC", "no protocol 'TPC'", "'TCP'"),
        ("[TCP:flag:A]-|", "flag", "no field 'flag'", "'flags'"),
        ("[TCP:flags:A:x]-|", "x", "no whole number", ""),
        ("[TCP:flags:A]-tampr{TCP:ack:corrupt}-|", "tampr", "no action", "'tamper'"),
        ("[TCP:flags:A]-tamper{TCP:ack}-|", "TCP:ack", "3 parts or 4, not 2", ""),
        ("[TCP:flags:A]-fragment{tcp:8}-|", "tcp:8", "3 parts or 4, not 2", ""),
        ("[TCP:flags:A]-fragment{tcp:x:True}-|", "x", "no whole number", ""),
        ("[TCP:flags:A]-drop{x}-|", "x", "takes nothing", ""),
        ("[TCP:flags:A]-drop{{}}-|", "{", "braces stand within", ""),
        ("[TCP:flags:A]-duplicate(drop)-|", "(drop)", "not parted", "empty ones send"),
        ("[TCP:flags:A]-duplicate(,))-|", ")", "no action ')'", ""),
        ("[TCP:flags:A]-(,)-|", "(", "here is no action", ""),
        ("[TCP:flags:A]-drop(drop,)-|", "drop", "nothing comes after", ""),
        ("[TCP:flags:A]-sleep(,drop)-|", "drop", "no right branch", "(left,)"),
        ("[TCP:flags:A]-dup(drop, drop)-|", " ", "no spaces", ""),
        (r"[TCP:flags:A]-drop-\|", "drop-\\", "no action", "Markdown"),
        ("[TCP:flags:A]-drop)-|", "drop)", "no action", "'drop'"),
        (r"\/ [TCP:flags:A]-dup-|", "dup", "no action", ""),
        (r"\/ [TCP:flags:A]-sleep-|", "sleep", "not for those that come", ""),
        ("[TCP:flags:A]-a{1}-|", "1", "takes nothing in braces", ""),
    ],
)
def test_faults_name_their_place(text: str, under: str, says: str, help: str) -> None:
    with pytest.raises(BadNotation) as raised:
        parse(text)
    (fault,) = raised.value.faults
    assert text[fault.at : fault.at + fault.width] == under
    assert says in fault.message
    assert help in fault.help
    assert (help == "") or fault.help


@pytest.mark.parametrize(("written", "printed"), TAKEN)
def test_what_geneva_takes_prints_as_it_prints_it(written: str, printed: str) -> None:
    assert str(parse(written)) == printed


@pytest.mark.parametrize("text", REFUSED)
def test_what_geneva_refuses_is_refused(text: str) -> None:
    with pytest.raises(BadNotation) as raised:
        parse(text)
    assert str(raised.value).count("^")


@pytest.mark.parametrize(
    "text",
    [
        "[TCP:flags:S*]-|",  # Geneva prints S, which matches another flag's packets
        "[TCP:flags:A]-tamper-|",  # it draws protocol, field and way as it reads
        "[TCP:flags:A]-tamper{TCP:ack:replace}-|",  # and here the value
        "[TCP:flags:A]-fragment-|",  # and the order of the two pieces
        "[TCP:flags:A]-tamper{TCP:ack:corupt:5}-|",  # it prints a bare tamper
        "[TCP:flags:A]-sleep{0.12345678}-|",  # it prints six digits
        "[TCP:flags:A]-trace{1:x}-|",  # it cannot print it
    ],
)
def test_a_print_that_would_mean_something_else_is_not_made(text: str) -> None:
    assert str(parse(text)) == rf"{text} \/"
    assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize("name", ["t", "e", "a", "action", "R"])
def test_a_name_of_several_actions_is_one_that_can_have_the_branches(name: str) -> None:
    (tree,) = parse(f"[TCP:flags:A]-{name}(drop,drop)-|").outbound
    assert isinstance(tree.action, Duplicate | Fragment)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(BadNotation) as raised:
        parse(r"[TCP:flag:A]-drop-| [TCP:flags:A]-drip-| \/ [X:y:z]-|")
    assert [fault.at for fault in raised.value.faults] == [5, 34, 45]
    assert str(raised.value).count("^^") >= 2


def test_a_tree_that_is_too_deep_is_refused() -> None:
    deep = "[TCP:flags:A]-" + "duplicate(" * 5000 + ",)" * 5000 + "-|"
    with pytest.raises(BadNotation, match="deep"):
        parse(deep)
