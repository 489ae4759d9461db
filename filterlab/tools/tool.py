"""Reads a tool's file, checks that its parts and variables fit, and says what it needs.

Every problem of the file is told at once, at its place (design, section 7).
"""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from filterlab.lab.programs import find_program
from filterlab.scenario.item import validate
from filterlab.scenario.problem import BadInput, did_you_mean, one_of, quoted
from filterlab.scenario.source import Document, Path_, read
from filterlab.tools.schema import EntersText, NeedText, PartText, ToolFile

# Programs tell their version within a tenth of a second, on a busy machine in one.
_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A circumvention program: its name (the file's) and what its file says.

    `given` are variables of its templates that come from elsewhere: `here`, the folder
    of its file, and what a command line says of a program without a file.
    """

    name: str
    file: ToolFile
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What it is, in a line."""
        return self.file.title

    @property
    def port(self) -> tuple[int, str] | None:
        """Port and protocol of its server, as seen on the wire; None without one."""
        return self.file.port

    @property
    def enters(self) -> EntersText:
        """How traffic gets into it."""
        return self.file.enters

    @property
    def roles(self) -> list[str]:
        """The roles of the hosts that it runs on; a client there always is."""
        ons = [part.on for part in self.file.parts.values()]
        return list(dict.fromkeys([*ons, "client"]))

    def missing(self) -> list[str]:
        """Its programs that are not installed, or lack what it needs of them."""
        needs = [need for need in self.file.needs if not _is_there(need)]
        lacking = [f"{n.program} with {n.says}" if n.says else n.program for n in needs]
        modules = self.file.modules
        return lacking + [m for m in modules if importlib.util.find_spec(m) is None]

    @property
    def installed(self) -> bool:
        """Whether all its programs are there."""
        return not self.missing()

    @property
    def command(self) -> str:
        """The command that installs the packages, and what is to be done by hand."""
        packages = self.file.packages
        commands = []
        if packages.apt:
            commands.append("apt-get install " + " ".join(packages.apt))
        if packages.pip:
            commands.append("pip install " + " ".join(packages.pip))
        by_hand = [need.by_hand for need in self.file.needs if need.by_hand]
        return ", and ".join([" && ".join(commands), *by_hand])

    def uses(self, variable: str) -> bool:
        """Whether any of its templates names this variable."""
        found = (Template(text).get_identifiers() for _, text in _templates(self.file))
        return any(variable in names for names in found)

    def start_order(self) -> list[tuple[str, PartText]]:
        """The parts, each behind those that it starts after."""
        waiting, order = dict(self.file.parts), list[tuple[str, PartText]]()
        while waiting:
            done = {name for name, _ in order}
            for name, part in list(waiting.items()):
                if done >= set(part.after):
                    order.append((name, waiting.pop(name)))
                    break
            else:
                return order  # a circle: `load_tool` has refused it
        return order


def _is_there(need: NeedText) -> bool:
    """Whether a program is installed, and says of its build what it must."""
    path = find_program(need.program)
    if path is None or need.says is None:
        return path is not None
    argv = [path, need.asked]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_ANSWER_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return need.says in done.stdout + done.stderr


def load_tool(
    path: Path, file: str | None = None, given: Mapping[str, str] | None = None
) -> Tool:
    """Read a tool's file; raises BadInput with all its problems."""
    document = read(path, file)
    found = validate(ToolFile, document)
    if isinstance(found, ToolFile):
        here = {"here": str(path.resolve().parent)}
        tool = Tool(path.stem, found, {**here, **(given or {})})
        _check_parts(tool, document)
        _check_variables(tool, document)
        if not document.problems:
            return tool
    raise BadInput(document.problems)


def _check_parts(tool: Tool, document: Document) -> None:
    parts = tool.file.parts
    for name, part in parts.items():
        for index, earlier in enumerate(part.after):
            if earlier not in parts:
                document.complain(
                    "bad-value",
                    ("parts", name, "after", index),
                    f"there is no part {quoted(earlier)}",
                    expected=one_of(parts),
                    help=did_you_mean(earlier, parts),
                )
    if tool.port is None and set(tool.roles) != {"client"}:
        document.complain("missing-key", (), "the file lacks 'port'", on_key=True)
    if not parts and tool.file.enters.program is None:
        message = "no part is started, and the tool is no program itself"
        document.complain("bad-value", ("enters",), message, on_key=True)
    unknown = any(set(part.after) - set(parts) for part in parts.values())
    if not unknown and len(tool.start_order()) != len(parts):
        circle = set(parts) - {name for name, _ in tool.start_order()}
        message = f"{', '.join(sorted(circle))} start after one another"
        document.complain("bad-value", ("parts",), message, on_key=True)
    for path, role in _roles_named(tool.file):
        if role not in tool.roles:
            message = f"no part runs on {quoted(role)}"
            document.complain("bad-value", path, message, expected=one_of(tool.roles))


def _roles_named(file: ToolFile) -> Iterator[tuple[Path_, str]]:
    if file.enters.tun is not None:
        yield ("enters", "exit"), file.enters.exit
    for name, certificate in file.certificates.items():
        yield ("certificates", name), certificate.host
    for role in file.places:
        yield ("places", role), role


def _check_variables(tool: Tool, document: Document) -> None:
    for path, template in _templates(tool.file):
        known = [*variable_names(tool), *_ASKED.get(path, ())]
        # Template says what it finds; a `$` that begins no variable is an error.
        checked = Template(template)
        if not checked.is_valid():
            document.complain(
                "bad-value",
                path,
                f"{path[-1]} has a '$' that begins no variable",
                expected="${name}, or $$ for a '$' itself",
            )
            continue
        for name in checked.get_identifiers():
            if name not in known:
                document.complain(
                    "bad-value",
                    path,
                    f"there is no variable {quoted(name)}",
                    expected=one_of(known),
                    help=did_you_mean(name, known),
                )


# What a tool that is the client itself is asked for, by the command that asks.
_ASKED: dict[Path_, tuple[str, ...]] = {
    ("enters", "program", "fetch"): ("url", "name"),
    ("enters", "program", "resolve"): ("name",),
}


def variable_names(tool: Tool) -> list[str]:
    """The variables that a tool's templates may use."""
    names = ["folder", "ca_file", "resolver_address"]
    if tool.port is not None:
        names.append("port")
    if tool.enters.transparent is not None:
        names.append("mark")
    for role in tool.roles:
        names += [f"{role}_address", f"{role}_address6"]
    for name in tool.file.certificates:
        names += [f"{name}_certificate", f"{name}_chain", f"{name}_key"]
    names += ["python", "library", *tool.given]
    return [*dict.fromkeys(names), *tool.file.random, *tool.file.keys]


def _templates(file: ToolFile) -> Iterator[tuple[Path_, str]]:
    for name, line in file.keys.items():
        yield ("keys", name), line
    for name, content in file.files.items():
        yield ("files", name), content
    for name, part in file.parts.items():
        yield ("parts", name, "start"), part.start
        for index, line in enumerate(part.then):
            yield ("parts", name, "then", index), line
        for key, value in part.variables.items():
            yield ("parts", name, "variables", key), value
    for key, entry in (("socks5", file.enters.socks5), ("http", file.enters.http)):
        if entry is not None:
            yield ("enters", key), entry[0]
    program = file.enters.program
    if program is not None and program.fetch is not None:
        yield ("enters", "program", "fetch"), program.fetch
    if program is not None and program.resolve is not None:
        yield ("enters", "program", "resolve"), program.resolve
