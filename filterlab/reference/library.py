"""Turns the lab's own content into pages: policies, tools, strategies, topologies.

What a policy's file says of itself - its sources, how sure they are, what it had to
assume - is what the page says; nothing is added here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from filterlab.inspection.catalogue import RECOGNISERS
from filterlab.lab.topology import load_topology
from filterlab.reference.pages import MADE, table
from filterlab.runner.topologies import topology_facts
from filterlab.scenario import content
from filterlab.scenario.policies import load_policy_file
from filterlab.scenario.policyfile import PolicyFile
from filterlab.scenario.reference import Reference
from filterlab.scenario.strategies import load_strategy
from filterlab.tools.schema import ToolFile
from filterlab.tools.shelf import Shelf

_TRANSPORTS = {1: "ICMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 58: "ICMPv6"}
_WAYS = ("socks5", "http", "tun", "dns", "transparent", "program")


def policy_pages() -> dict[str, str]:
    """A page for each policy, and `index` with all of them."""
    pages, rows = {}, []
    for name, path in content.policies().items():
        policy = load_policy_file(path)
        pages[name] = _policy_page(name, path, policy)
        link = f"[{name}]({name}.md)"
        rows.append((link, policy.title, policy.epoch or "", policy.sure))
    listed = table(("policy", "what it does", "when", "sure"), rows)
    toctree = "\n".join(("```{toctree}", ":hidden:", "", *pages, "```"))
    parts = (MADE, "# Policies", _POLICIES, listed, toctree)
    pages["index"] = "\n\n".join(parts) + "\n"
    return pages


_POLICIES = """\
Each policy is one file in `scenarios/policies/`. **verified**: somebody measured it
and published how. **partial**: the main facts are published, some are not.
**assumed**: made for teaching, or without a source. What a file had to assume stands
on its page; the lab shows what such a box would do, and never that the real one does
just this."""


def _policy_page(name: str, path: Path, policy: PolicyFile) -> str:
    facts = [
        f"**How sure:** {policy.sure}",
        f"**When:** {policy.epoch or 'no particular time'}",
        f"**Where the box stands:** `{policy.position}`",
        f"**How it puts a stream together:** `{policy.stack.grade}`",
    ]
    parts = [MADE, f"# {name}", policy.title, "  \n".join(facts)]
    if policy.sources:
        parts += ["## Sources", "\n".join(map(_source, policy.sources))]
    if policy.assumed:
        told = "\n".join(f"- {fact}" for fact in policy.assumed)
        parts += ["## Assumed, because nothing is published", told]
    parts += ["## The file", f"```yaml\n{path.read_text('utf-8')}```"]
    return "\n\n".join(parts) + "\n"


def _source(source: Reference) -> str:
    title = source.title or source.url
    link = f"[{title}]({source.url})" if source.url else title
    return f"- {link}" + (f", {source.date}" if source.date else "")


def tool_page() -> str:
    """All tools: how they are entered, on which port, and what brings them."""
    rows = [_tool_row(name, tool.file) for name, tool in sorted(Shelf().items())]
    head = ("tool", "what it is", "entered by", "port", "comes from")
    return "\n\n".join((MADE, "# Tools", _TOOLS, table(head, rows))) + "\n"


_TOOLS = """\
Each tool is one file in `scenarios/tools/`: the real programs, on hosts of the lab. A
probe goes through one with `through: NAME`. `./lab run --install-tools SCENARIO`
installs what apt and PyPI have; a tool whose programs are missing is named and passed
over."""


def _tool_row(name: str, tool: ToolFile) -> tuple[str, ...]:
    way = next((w for w in _WAYS if getattr(tool.enters, w) is not None), "")
    packages = [f"apt: {', '.join(tool.packages.apt)}"] if tool.packages.apt else []
    packages += [f"pip: {', '.join(tool.packages.pip)}"] if tool.packages.pip else []
    packages += [f"by hand: {n.program}" for n in tool.needs if n.by_hand]
    port = "{}/{}".format(*tool.port) if tool.port else ""
    link = f"[{tool.title}]({tool.sources[0]})" if tool.sources else tool.title
    return f"`{name}`", link, f"`{way}`", port, "; ".join(packages) or "the lab itself"


def strategy_page() -> str:
    """All named strategies, with what they do to which packets."""
    rows = []
    for name, path in content.strategies().items():
        file = load_strategy(path)
        sources = ", ".join(f"[{s.title or s.url}]({s.url})" for s in file.sources)
        dna = f"`{file.dna}`" if file.dna else "not in DNA"
        rows.append((f"`{name}`", file.title, file.side, dna, sources))
    head = ("strategy", "what it does", "at", "DNA", "sources")
    return "\n\n".join((MADE, "# Strategies", table(head, rows))) + "\n"


def topology_page() -> str:
    """All topologies: the drawing, places, exchanges and parameters of each."""
    parts = [MADE, "# Topologies", _TOPOLOGIES]
    for name, facts in topology_facts().items():
        layout = facts.lay_out({})
        shape = load_topology(name)
        source = (content.root() / "topologies" / f"{name}.py").read_text("utf-8")
        drawing = source.split('"""')[1].strip("\n")
        rows = [
            (f"`{key}`", meaning, f"`{default}`")
            for key, (default, meaning) in shape.PARAMETERS.items()
        ]
        parts += [
            f"## `{name}`",
            f"```text\n{drawing}\n```",
            f"Places: {_coded(layout.places)}. Exchanges: {_coded(layout.exchanges)}.",
            table(("parameter", "what it means", "left out"), rows),
        ]
    return "\n\n".join(parts) + "\n"


_TOPOLOGIES = """\
A scenario says `topology: {use: NAME}`, with parameters beside `use`. Clients and
services stand at places; policies are in force at exchanges."""


def recogniser_page() -> str:
    """All recognisers: where each is known from, and what it is known to mistake."""
    rows = []
    for name, kind in RECOGNISERS.items():
        over = ", ".join(sorted(_TRANSPORTS.get(t, str(t)) for t in kind.transports))
        does = (kind.__doc__ or "").partition("\n")[0]
        rows.append((f"`{name}`", does, over, kind.source, kind.false_positives))
    head = ("recogniser", "what it does", "over", "source", "known to mistake")
    return "\n\n".join((MADE, "# Recognisers", _RECOGNISERS, table(head, rows))) + "\n"


_RECOGNISERS = """\
What each makes of real programs is measured in [another table](../recognisers.md). The
fields that they find are the keys of [conditions](conditions.md)."""


def _coded(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)
