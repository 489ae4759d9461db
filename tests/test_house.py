"""The layout of the house, kept by every file in it.

What an import contract (setup.cfg) or a linter (ruff.toml) can say is said there.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
PACKAGE, TESTS = HOUSE / "filterlab", HOUSE / "tests"
FILE_LINES, FUNCTION_LINES = 400, 60

# Sans-IO rooms: bytes and the time of day come in, values go out.
PURE = ("inspection", "policy")
BANNED = frozenset(
    (
        *("asyncio", "socket", "select", "subprocess", "os", "logging"),
        *("time", "random", "secrets", "threading", "multiprocessing"),
        *("os_ken", "mininet", "scapy", "yaml"),
    )
)
# Rooms of tests that are no room of the package.
OTHER_ROOMS = frozenset(("controllers", "docs", "seal", "topologies"))
# Mininet must not be imported before a seal stands, os-ken before it is needed.
LATE = frozenset(("mininet", "os_ken"))
# mn copies every global of a --custom file over its own.
TAKEN = frozenset(("controllers", "switches", "hosts", "links", "tests"))


def files(*folders: str) -> list[Path]:
    """Every Python file of these folders, in order."""
    found = [path for name in folders for path in (HOUSE / name).rglob("*.py")]
    return sorted(found)


EVERYWHERE = ("filterlab", "topologies", "controllers", "tests")


@cache
def tree(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text("utf-8"), str(path))


def at(path: Path, line: int = 1) -> str:
    """A place as an editor opens it."""
    return f"{path.relative_to(HOUSE)}:{line}"


def imports(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Modules that are imported in here, with their lines."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            yield from ((alias.name, inner.lineno) for alias in inner.names)
        elif isinstance(inner, ast.ImportFrom) and inner.module:
            yield inner.module, inner.lineno


def is_late(module: str) -> bool:
    """Whether this is Mininet or os-ken, or a file of ours built on one of them."""
    if module.partition(".")[0] in LATE:
        return True
    path = HOUSE.joinpath(*module.split(".")).with_suffix(".py")
    return path.exists() and any(
        name.partition(".")[0] in LATE for name, _ in imports(tree(path))
    )


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, methods and inner ones too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_file_is_too_long() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in files(*EVERYWHERE)}
    long = [f"{at(p)} has {n} lines" for p, n in lengths.items() if n > FILE_LINES]
    assert not long, "\n".join(long)


def test_no_function_is_too_long() -> None:
    long = [
        f"{at(path, function.lineno)} {function.name} has {length} lines"
        for path in files(*EVERYWHERE)
        for function in functions(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        at(path)
        for path in files(*EVERYWHERE)
        if tree(path).body and not ast.get_docstring(tree(path))
    ]
    assert not silent, "\n".join(silent)


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {
        "util",
        "utils",
        "helper",
        "helpers",
        "manager",
        "base",
        "common",
        "misc",
    }
    found = [at(path) for path in files(*EVERYWHERE) if path.stem in drawers]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("room", PURE)
def test_a_pure_room_imports_nothing_that_acts(room: str) -> None:
    found = [
        f"{at(path, line)} imports {name}"
        for path in files(f"filterlab/{room}")
        for name, line in imports(tree(path))
        if name.partition(".")[0] in BANNED
    ]
    assert not found, "\n".join(found)


def test_no_import_hides_in_a_function() -> None:
    found = [
        f"{at(path, line)} imports {name} in {function.name}"
        for path in files("filterlab", "controllers")
        for function in functions(path)
        for name, line in imports(function)
        if not is_late(name)
    ]
    assert not found, "\n".join(found)


def test_yaml_is_read_in_one_place() -> None:
    readers = [
        at(path, line)
        for path in files("filterlab", "controllers", "topologies")
        for name, line in imports(tree(path))
        if name.partition(".")[0] == "yaml"
        and path != PACKAGE / "scenario" / "source.py"
    ]
    assert not readers, "\n".join(readers)


def test_topologies_need_mininet_only_and_keep_clear_of_its_names() -> None:
    found = []
    for path in files("topologies"):
        for name, line in imports(tree(path)):
            top = name.partition(".")[0]
            if top != "mininet" and top not in sys.stdlib_module_names:
                found.append(f"{at(path, line)} imports {name}")
        globals_ = {
            target.id
            for node in tree(path).body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        if "topos" not in globals_ or globals_ & TAKEN:
            found.append(f"{at(path)} has the globals {sorted(globals_)}")
        if "mn --custom" not in (ast.get_docstring(tree(path)) or ""):
            found.append(f"{at(path)} does not say how to try it")
    assert not found, "\n".join(found)


def test_each_room_of_tests_is_a_room_of_the_package() -> None:
    rooms = {path.parent.relative_to(TESTS).parts for path in TESTS.rglob("test_*.py")}
    strange = [
        "/".join(parts)
        for parts in rooms
        if parts and parts[0] not in OTHER_ROOMS
        if not PACKAGE.joinpath(*parts).is_dir()
    ]
    assert not strange, "no such room in filterlab/: " + ", ".join(sorted(strange))


def test_tests_have_no_packages_of_their_own() -> None:
    # What stands in for setuptools has to be what it stands in for.
    found = [
        at(path)
        for path in files("tests")
        if path.name == "__init__.py" and "fetching" not in path.parts
    ]
    assert not found, "\n".join(found)


def test_no_test_waits_for_a_time_instead_of_an_event() -> None:
    found = [
        at(path, node.lineno)
        for path in files("tests")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] == "sleep"
        and ast.unparse(node.args[0]) != "0"  # a turn of the event loop
    ]
    assert not found, "\n".join(found)


def test_no_error_is_swallowed_whole() -> None:
    found = [
        at(path, node.lineno)
        for path in files(*EVERYWHERE)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or ast.unparse(node.type) in ("Exception", "BaseException")
        )
        and all(isinstance(inner, ast.Pass) for inner in node.body)
    ]
    assert not found, "\n".join(found)


def test_no_test_has_scapy_ask_the_network_for_an_address() -> None:
    """An Ethernet header without a destination is resolved by ARP, on real wires."""
    found = [
        at(path, node.lineno)
        for path in files("tests", "filterlab")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] == "Ether"
        and not node.args
        and "dst" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not found, "\n".join(found)
