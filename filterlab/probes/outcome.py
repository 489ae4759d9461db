"""Says what a probe's result means: let through, blocked (how, by which rule), or
nothing that can be told.

A result is compared with its control, the same probe before any policy was in force,
in the manner of OONI's web connectivity test (ts-017), whose blocking types are used
here with two more, `tls` and `throttled`. Unlike OONI, the lab knows who decided: a
failure that no decision explains is the lab's, and is never called blocking.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from filterlab.probes.explain import Explanation
from filterlab.probes.failure import (
    CONNECTION_REFUSED,
    CONNECTION_RESET,
    EOF,
    HOST_UNREACHABLE,
    NETWORK_UNREACHABLE,
    NXDOMAIN,
    TIMEOUT,
)
from filterlab.probes.result import ProbeResult, Step

BLOCKING_TYPES = ("dns", "tcp_ip", "tls", "http-diff", "http-failure", "throttled")
# Less than half of what the control got: the control itself varies by some per cent
# on a busy machine, and published throttling leaves a hundredth or less.
_THROTTLED_BELOW = 0.5

_BLOCKING_OF_STEP = {
    "dns": "dns",
    "tcp": "tcp_ip",
    "tls": "tls",
    "http": "http-failure",
    "throughput": "http-failure",
}
# What had been sent last when the step failed.
_AFTER = {"tls": " after hello", "quic": " after hello", "http": " after request"}
_WRITTEN_BY_OTHERS = "the page came, but with certificates of another issuer"
_NO_ROUTE = (HOST_UNREACHABLE, NETWORK_UNREACHABLE, "network_down")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one probe in one phase came to.

    `outcome` is "ok", a blocking type, "down" (the server is dead) or "unknown" (the
    lab failed); `label` is its short form for a table. `decisions` are the indices
    of the decisions that explain it, the telling one first, and `rule` its file:line.
    """

    outcome: str
    label: str
    why: str
    failure: str | None = None
    reached: bool = False
    blocking: str | None = None
    rule: str | None = None
    decisions: tuple[int, ...] = ()
    kbit_s: float | None = None

    @property
    def could_not_tell(self) -> bool:
        """Whether the lab, not a policy, is to blame."""
        return self.outcome in ("down", "unknown")

    def matches(self, expected: str) -> bool:
        """Whether this is what was expected.

        `expected` is ok, blocked, down, unknown, a blocking type or an OONI failure.
        Where nothing could be told, only that matches.
        """
        if self.could_not_tell or expected in ("ok", "down", "unknown"):
            return self.outcome == expected
        if expected == "blocked":
            return self.blocking is not None
        if expected in BLOCKING_TYPES:
            return self.blocking == expected
        return self.failure == expected


def judge(
    result: ProbeResult,
    control: ProbeResult | None,
    decisions: Mapping[int, Mapping[str, Any]] | None,
    server_alive: bool | None = None,
    *,
    target: str = "",
    service_addresses: Collection[str] = (),
    client_addresses: Collection[str] = (),
    resolver_addresses: Collection[str] = (),
) -> Outcome:
    """What `result` means beside its `control` (None: this is the control itself).

    `decisions` are lines of decisions.jsonl by index, those of the probe's time and
    of exchanges on its way; None says that the exchange writes none down (a
    student's own application), and then difference from the control is all there
    is. `target` is the host asked for, `service_addresses` what its name may
    resolve to. `client_addresses` are given when a tool carries the probe: its
    flows are any of the client's. `resolver_addresses` are those of the resolver that
    asks others for the client.
    """
    if result.broken:
        return _cannot_tell("unknown", result, f"the probe broke: {result.failure}")
    if control is None:
        return _judge_control(result, server_alive)
    if not control.reached:
        return replace(_judge_control(control, server_alive), failure=result.failure)
    explanation = Explanation.of(
        result, decisions, target, client_addresses, resolver_addresses
    )
    blocking = _difference(result, control, explanation, service_addresses)
    if blocking is None:
        forged = _issuers(result) != _issuers(control)
        return Outcome(
            "ok",
            "intercepted" if forged else "ok",
            _WRITTEN_BY_OTHERS if forged else _as_in_control(result),
            reached=True,
            decisions=explanation.indices,
            kbit_s=result.kbit_s,
        )
    if server_alive is False:
        return _cannot_tell("down", result, "the server has died")
    if decisions is not None and not explanation.indices:
        why = f"{_what_happened(result, blocking)}, and nothing the exchange did"
        return _cannot_tell("unknown", result, f"{why} explains it")
    return _blocked(result, control, blocking, explanation)


def _issuers(result: ProbeResult) -> list[object]:
    """Who signed the certificates that the server showed, as far as it came to that."""
    found = (step.detail.get("certificates") for step in result.steps)
    return [one.get("issuer") for shown in found for one in shown or ()]


def _as_in_control(result: ProbeResult) -> str:
    if result.location is None:
        return "as in its control"
    return f"as in its control: the server itself redirects to {result.location}"


def _judge_control(result: ProbeResult, server_alive: bool | None) -> Outcome:
    if result.reached:
        kbit_s = result.kbit_s
        return Outcome("ok", "ok", "reached", reached=True, kbit_s=kbit_s)
    why = f"the control failed ({result.failure}), before any policy"
    if result.broken:
        return _cannot_tell("unknown", result, why)
    if server_alive:
        why = f"{why}, although the server lives: the lab's network is at fault"
        return _cannot_tell("unknown", result, why)
    return _cannot_tell("down", result, why)


def _cannot_tell(outcome: str, result: ProbeResult, why: str) -> Outcome:
    label = "server down" if outcome == "down" else "could not tell"
    return Outcome(outcome, label, why, failure=result.failure, kbit_s=result.kbit_s)


def _difference(
    result: ProbeResult,
    control: ProbeResult,
    explanation: Explanation,
    service_addresses: Collection[str],
) -> str | None:
    """The blocking type that tells `result` from its control, None if nothing does."""
    known = {*control.answers, *service_addresses}
    wrong_answer = bool(result.answers) and not known.intersection(result.answers)
    step = result.failed_step
    if step is not None:
        return "dns" if wrong_answer else _blocking_of(step, explanation)
    if wrong_answer and (not result.status or _page_differs(result, control)):
        return "dns"
    if _page_differs(result, control):
        return "http-diff"
    if _ratio(result, control) < _THROTTLED_BELOW:
        return "throttled"
    return None


def _blocking_of(step: Step, explanation: Explanation) -> str:
    if explanation.action == "throttle" and step.failure == TIMEOUT:
        return "throttled"
    if step.name in _BLOCKING_OF_STEP:
        return _BLOCKING_OF_STEP[step.name]
    # A QUIC handshake or a tool's tunnel fails as a whole; only the finding says
    # what of it was recognised.
    for prefix, blocking in (("tls.", "tls"), ("dns.", "dns")):
        if any(key.startswith(prefix) for key in explanation.finding):
            return blocking
    return "tcp_ip"


def _page_differs(result: ProbeResult, control: ProbeResult) -> bool:
    if (result.status, result.location) != (control.status, control.location):
        return True
    measured = result.kbit_s is not None  # a body cut short by time has no fixed hash
    return not measured and result.body_sha256 != control.body_sha256


def _ratio(result: ProbeResult, control: ProbeResult) -> float:
    if result.kbit_s is None or not control.kbit_s:
        return 1.0
    return result.kbit_s / control.kbit_s


def _blocked(
    result: ProbeResult,
    control: ProbeResult,
    blocking: str,
    explanation: Explanation,
) -> Outcome:
    label = _label(result, control, blocking, explanation)
    happened = _what_happened(result, blocking)
    return Outcome(
        blocking,
        label,
        f"{happened}{explanation.text}",
        failure=result.failure,
        reached=blocking == "throttled" and result.reached,
        blocking=blocking,
        rule=explanation.rule,
        decisions=explanation.indices,
        kbit_s=result.kbit_s,
    )


def _what_happened(result: ProbeResult, blocking: str) -> str:
    if blocking == "throttled" and result.reached:
        return "it came at less than half the control's rate"
    step = result.failed_step
    if step is not None and "happened" in step.detail:  # a tool's client
        return str(step.detail["happened"])
    if step is not None:
        wrong = f" at a wrong address ({', '.join(result.answers)})"
        where = wrong if blocking == "dns" and step.name != "dns" else ""
        return f"{step.name} failed{where} with {result.failure}"
    if blocking == "dns":
        return f"the name resolved to a wrong address ({', '.join(result.answers)})"
    return "another page came than in the control"


def _label(
    result: ProbeResult,
    control: ProbeResult,
    blocking: str,
    explanation: Explanation,
) -> str:
    """The cell of a table."""
    step = result.failed_step
    if blocking == "throttled":
        if step is not None:
            return "too slow"
        return f"{result.kbit_s or 0:,.0f} of {control.kbit_s or 0:,.0f} kbit/s"
    if step is not None and explanation.action == "shutdown":
        return "no route"
    if blocking == "dns" and (step is None or step.name != "dns"):
        return "wrong address"
    if step is None:
        return "redirected" if result.location else "another page"
    return _label_of_failure(step)


def _label_of_failure(step: Step) -> str:
    failure, after = step.failure or "", _AFTER.get(step.name, "")
    if step.detail.get("left"):
        return "client left"
    if failure in _NO_ROUTE:
        return "no route"
    if failure.startswith("ssl_"):
        failed = failure == "ssl_failed_handshake"
        return "handshake failed" if failed else "wrong certificate"
    if failure.startswith("dns_"):
        return "no such name" if failure == NXDOMAIN else "name refused"
    if failure.startswith("socks_"):
        return "tunnel refused"
    words = {
        CONNECTION_RESET: f"reset{after}",
        CONNECTION_REFUSED: "refused",
        EOF: f"closed{after}",
        TIMEOUT: f"no answer{after}",
    }
    return words.get(failure, "failed")
