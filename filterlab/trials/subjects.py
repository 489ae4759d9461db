"""Which programs are tried: every tool, and the plain ones that have none."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from dataclasses import dataclass, field
from typing import Literal

from filterlab.scenario import content
from filterlab.scenario.problem import did_you_mean, quoted
from filterlab.tools.shelf import Shelf
from filterlab.tools.tool import Tool, load_tool

WEB, RESOLVER = "web.example", "dns.example"
_PAGE = f"https://{WEB}/"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a plain program does: the kind and target of a probe, and how."""

    kind: Literal["fetch", "resolve"]
    target: str
    http: Literal["1.1", "3"] = "1.1"
    asks: str = ""  # the scheme by which it asks the resolver


_PLAIN = {
    "fetch-http": Attempt("fetch", f"http://{WEB}/"),
    "fetch-https": Attempt("fetch", _PAGE),
    "fetch-http3": Attempt("fetch", _PAGE, http="3"),
    "resolve-udp": Attempt("resolve", WEB, asks="udp"),
    "resolve-dot": Attempt("resolve", WEB, asks="tls"),
    "resolve-doh": Attempt("resolve", WEB, asks="https"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A program that is tried, with the tool that it is (None: the lab's own probe)."""

    name: str
    tool: Tool | None
    is_plain: bool = False  # its exit status alone says whether all went well
    attempt: Attempt = field(default_factory=lambda: Attempt("fetch", _PAGE))

    @property
    def missing(self) -> list[str]:
        """What of it is not installed."""
        return self.tool.missing() if self.tool else []

    @property
    def versions(self) -> str:
        """Its packages with their versions, as far as they are installed."""
        if self.tool is None:
            return "the lab's own probe"
        packages = self.tool.file.packages
        found = [_debian(name) for name in packages.apt]
        found += [_python(re.split(r"[=\[<>]", name)[0]) for name in packages.pip]
        return ", ".join(filter(None, found)) or "the lab's own"


def subjects(chosen: list[str]) -> list[Subject]:
    """The programs of these names, or all; raises LookupError for an unknown one."""
    shelf = Shelf()
    every = {
        name: Subject(name, None, attempt=attempt) for name, attempt in _PLAIN.items()
    }
    for name in shelf:
        every[name] = Subject(name, shelf[name])
    for name, path in content.programs().items():
        every[name] = Subject(name, load_tool(path), is_plain=True)
    for name in chosen:
        if name not in every:
            hint = did_you_mean(name, every) or "see: filterlab list tools"
            message = f"filterlab: error: there is no program {quoted(name)}"
            raise LookupError(f"{message}\n      = help: {hint}")
    return [every[name] for name in chosen or sorted(every)]


def _debian(package: str) -> str:
    asked = ["dpkg-query", "-W", "-f", "${Version}", package]
    try:
        done = subprocess.run(asked, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return f"{package} {done.stdout}" if done.returncode == 0 else ""


def _python(package: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return ""
