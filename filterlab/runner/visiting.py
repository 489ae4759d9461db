"""Runs any program inside a censored client: unmodified, with its terminal attached.

The program gets the user's environment and working folder, less what would lead it
around the lab (proxy variables), and trusts the lab's authority where it asks OpenSSL,
curl, Go, Node or Python's requests for it. Ctrl-C and Ctrl-\\ are for the program
alone: whatever the lab runs ignores them, as a shell does while a command runs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filterlab.lab.obstacle import Obstacle
from filterlab.lab.programs import program_path
from filterlab.runner.decisions import DecisionReader
from filterlab.runner.plan import Plan
from filterlab.runner.stage import LAB_FAILURES, Stage, standing
from filterlab.scenario.problem import BadInput, Place, Problem, did_you_mean, one_of
from filterlab.scenario.timeline import Phase

# Written when the program begins: from then on the terminal is the program's.
COMMAND_FILE = "command.json"
_OPEN = "open"  # the policy that lets everything pass
_FOR_THE_PROGRAM = (signal.SIGINT, signal.SIGQUIT)
# Each names the file of authorities to somebody.
_AUTHORITY_VARIABLES = (
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
_DECISIONS_SHOWN = 10
_COULD_NOT_TELL = 3


def check_visit(plan: Plan, client: str, phase: str | None) -> None:
    """Raise BadInput if the scenario has no such client, or no such phase."""
    problems = []
    clients = list(plan.scenario.clients)
    if client not in clients:
        problems.append(_unknown("--as", "client", client, clients))
    phases = [one.name for one in plan.scenario.phases]
    if phase is not None and phase not in phases:
        problems.append(_unknown("--phase", "phase", phase, phases))
    if problems:
        raise BadInput(problems)


def _unknown(option: str, what: str, name: str, names: Sequence[str]) -> Problem:
    return Problem(
        f"unknown-{what}",
        Place(option, 1, 1),
        f"there is no {what} '{name}'",
        expected=one_of(names),
        help=did_you_mean(name, names),
    )


def phase_meant(plan: Plan, name: str | None) -> Phase:
    """The phase of a name; without one the first in which something is filtered."""
    phases = plan.scenario.phases
    if name is not None:
        return next(phase for phase in phases if phase.name == name)
    filtering = (p for p in phases if set(p.policies.values()) - {_OPEN})
    return next(filtering, phases[0])


def leave_the_terminal_alone() -> None:
    """Ignore what is typed at it; all that is started from here on does so as well."""
    for number in _FOR_THE_PROGRAM:
        signal.signal(number, signal.SIG_IGN)


def visit(order: Mapping[str, Any], plan: Plan) -> int:
    """Bring the scenario's world up, run the program in its client, and end it all."""
    folder = Path(order["folder"])
    phase = phase_meant(plan, order["phase"])
    try:
        with standing(plan, folder, plan.scenario.seed) as stage:
            stage.set_policies(dict(phase.policies))
            policies = ", ".join(f"{e}: {p}" for e, p in phase.policies.items())
            _say(f"{order['client']} in {phase.name} ({policies or 'no policy'})")
            status = _run(order["command"], plan.node_of[order["client"]], stage)
            faults = stage.faults()
            _tell(stage.decisions, plan.addresses(plan.node_of[order["client"]]))
    except (*LAB_FAILURES, Obstacle) as failure:
        faults = [str(failure)]
    for fault in faults:
        _say(f"error: the lab failed: {fault}")
    return _COULD_NOT_TELL if faults else status


def _run(argv: Sequence[str], node: str, stage: Stage) -> int:
    (stage.folder / COMMAND_FILE).write_text(json.dumps(list(argv)))
    assert stage.authority is not None
    here = stage.network.node(node).enter_argv()
    done = subprocess.run(
        # Entering a mount namespace moves a process to its root; `env` goes back.
        [*here, "env", "-C", os.getcwd(), *argv],
        env=_environment(stage.authority.ca_file),
        preexec_fn=_like_from_a_shell,
    )
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def _like_from_a_shell() -> None:
    for number in _FOR_THE_PROGRAM:
        signal.signal(number, signal.SIG_DFL)


def _environment(ca_file: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("FILTERLAB_")
    }
    kept["PATH"] = program_path()
    return kept | dict.fromkeys(_AUTHORITY_VARIABLES, str(ca_file))


def _tell(decisions: Path, addresses: Sequence[str]) -> None:
    """Say what the exchanges did to the client's flows."""
    lines = []
    for line in DecisionReader(decisions).read():
        flow = line["flow"]
        if line["verdict"] == "allow" or (flow and flow["client"] not in addresses):
            continue
        found = ", ".join(f"{key} = {value}" for key, value in line["finding"].items())
        lines.append(f'{line["action"]}  {line["source"]} "{line["rule"]}"  {found}')
    for text in list(dict.fromkeys(lines))[:_DECISIONS_SHOWN]:
        _say(text.rstrip())


def _say(text: str) -> None:
    print(f"filterlab: {text}", file=sys.stderr, flush=True)
