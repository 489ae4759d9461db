"""Checks probes that keep a session of their tool, or share its server with another."""

from __future__ import annotations

from filterlab.scenario.checks import Checks
from filterlab.scenario.problem import quoted
from filterlab.scenario.schema import Probe, Scenario
from filterlab.scenario.source import Document


def check_sharing(
    scenario: Scenario, document: Document, checks: Checks, with_phases: bool
) -> None:
    """Complain of sessions of no phase or no tool, and of servers not to be shared."""
    phases = [phase.name for phase in scenario.phases]
    for probe in scenario.probes.values():
        if probe.session is not None and probe.through is None:
            _needs_tool(document, probe, "session")
        elif with_phases and probe.session not in (None, *phases):
            checks.unknown("phase", probe, ("session",), phases)
        if probe.server_of is None:
            continue
        if probe.through is None:
            _needs_tool(document, probe, "server_of")
        elif probe.server_of not in checks.names("probes"):
            names = checks.names("probes")
            checks.unknown("probe", probe, ("server_of",), names)
        elif (other := scenario.probes.get(probe.server_of)) is not None:
            _check_server(document, probe, other)


def _needs_tool(document: Document, probe: Probe, key: str) -> None:
    document.complain(
        "needless-key",
        (*probe.path, key),
        f"{quoted(key)} is about a tool, and the probe goes through none",
        on_key=True,
        help="name the tool beside it: through: openvpn-tcp",
    )


def _check_server(document: Document, probe: Probe, other: Probe) -> None:
    said = quoted(str(probe.server_of))
    if other.through != probe.through:
        message = f"{said} goes through another tool, or through none"
        expected = f"a probe through {quoted(str(probe.through))}"
    elif other.server_of is not None:
        message = f"{said} uses the server of {quoted(other.server_of)}"
        expected = "a probe with a server of its own"
    else:
        return
    document.complain(
        "bad-server",
        (*probe.path, "server_of"),
        message,
        expected=expected,
        other=other.place(),
        other_says="that probe is here",
    )
