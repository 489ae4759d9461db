"""What an attempt met, in sentences for who did not write the scenario.

One sentence says what the client saw, one what the exchange did about it, and one why:
the words of `result.json` and `decisions.jsonl`, spelled out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_STEPS = {
    "dns": "resolving the name",
    "socks": "asking the tool for a connection",
    "tunnel": "starting the tool",
    "tcp": "opening a TCP connection",
    "tls": "the TLS handshake",
    "quic": "the QUIC handshake",
    "http": "asking for the page",
    "throughput": "reading the body",
    "probe": "the probe's own work",
}
_FAILURES = {
    "connection_reset": "the connection was reset",
    "connection_refused": "the connection was refused",
    "eof_error": "the connection was closed before an answer was complete",
    "generic_timeout_error": "nothing came until the time was up",
    "host_unreachable": "a router said that there is no such host",
    "network_unreachable": "there was no way to that network",
    "network_down": "the network was down",
    "dns_nxdomain_error": "the resolver said that there is no such name",
    "dns_refused_error": "the resolver refused to answer",
    "dns_servfail_error": "the resolver could not find out",
    "dns_no_answer": "the resolver answered without an address",
    "dns_server_misbehaving": "the resolver's answer made no sense",
    "ssl_unknown_authority": "the certificate is of no authority the client trusts",
    "ssl_invalid_hostname": "the certificate is for another name",
    "ssl_invalid_certificate": "the certificate is not valid",
    "ssl_failed_handshake": "the handshake failed",
    "socks_error": "the tool could not connect",
}
_ACTIONS = {
    "allow": "let it through",
    "drop": "threw its packets away, without a word to either end",
    "reset": "cut the connection with a reset (RST) that pretends to come from an end",
    "inject_dns": "answered the question itself, in the resolver's name",
    "inject_http": "answered the request itself, in the server's name",
    "throttle": "let it through at no more than a limited rate",
    "shutdown": "forwarded nothing at all",
    "freeze": "let it run for a while, then forwarded nothing more of it",
    "delay": "held its packets back for a while",
    "redirect": "led it to another server",
    "record": "wrote down that it was there",
    "probe": "noted the server as a suspect, to be visited by its prober",
}


def step_words(name: str) -> str:
    """A step as a person calls it."""
    return _STEPS.get(name, name)


def failure_words(failure: str | None) -> str:
    """One of OONI's failures in words."""
    if failure is None:
        return "it went well"
    return _FAILURES.get(failure, failure)


def client_saw(entry: Mapping[str, Any]) -> str:
    """What the client met: the steps that went well, and the one that did not."""
    steps: Sequence[Mapping[str, Any]] = entry["steps"]
    well = [step_words(s["name"]) for s in steps if s["failure"] is None]
    failed = next((s for s in steps if s["failure"] is not None), None)
    said = f"{_listed(well)} went well" if well else ""
    wrong = _wrong_address(entry)
    if failed is not None:
        after = f"{failed['seconds']:.1f} s"
        what = failure_words(failed["failure"])
        trouble = f"{step_words(failed['name'])} failed after {after}: {what}"
        return wrong + _sentence(f"{said}; then {trouble}" if said else trouble)
    if entry["outcome"] == "throttled":
        rates = f"{entry['kbit_s'] or 0:,.0f} kbit/s"
        control = entry["control"]["kbit_s"]
        beside = f", without a policy {control:,.0f}" if control else ""
        return _sentence(f"{said}, but slowly: {rates}{beside}")
    if entry["outcome"] in ("http-diff", "dns") and not entry["reached"]:
        return wrong + _sentence(f"{said}; but what came was {_other_page(entry)}")
    return _sentence(said or "nothing was tried")


def _wrong_address(entry: Mapping[str, Any]) -> str:
    """The addresses that a false answer gave, beside the right ones."""
    got, right = entry.get("answers"), entry["control"].get("answers")
    if entry["outcome"] != "dns" or not got or not right:
        return ""
    return (
        f"The name resolved to {_listed(got)}; without a policy it resolves to"
        f" {_listed(right)}. "
    )


def _other_page(entry: Mapping[str, Any]) -> str:
    if entry.get("location"):
        return f"a redirect to {entry['location']}"
    title = entry.get("title")
    named = f", which calls itself \u201c{title}\u201d" if title else ""
    return f"another page than without a policy{named}"


def exchange_did(
    entry: Mapping[str, Any],
    decision: Mapping[str, Any] | None,
    packets: int = 0,
    stopped: int = 0,
) -> str:
    """What the exchange did about it, and where it stands.

    `packets` and `stopped` count what the captures have of the attempt.
    """
    if decision is None:
        if entry["outcome"] == "ok":
            return "Nothing: no rule struck at this attempt."
        if not packets:
            return "Nothing: no packet of this attempt came to an exchange."
        return (
            f"It wrote down no decision; of {packets:,} packets it stopped {stopped:,}."
        )
    action = _ACTIONS.get(str(decision["action"]), str(decision["action"]))
    place = f"The exchange {decision['exchange']} ({decision['policy']})"
    later = ""
    if decision.get("residual"):
        later = " It did so because of an earlier match, not of this packet."
    if entry["outcome"] == "ok":
        later = " That made no difference to this attempt."
    return f"{place} {action}.{later}"


def because(decision: Mapping[str, Any]) -> str:
    """What was found, as part of a sentence; nothing if nothing was asked for."""
    found = [f"{key} = {value}" for key, value in decision["finding"].items()]
    return f"found {', '.join(found)}" if found else ""


def capital(text: str) -> str:
    """A sentence's first letter large, and nothing else changed."""
    return f"{text[:1].upper()}{text[1:]}"


def finding_words(decision: Mapping[str, Any]) -> str:
    """What in the packet made the rule true."""
    found = [f"{key} = {value}" for key, value in decision["finding"].items()]
    if not found:
        return "The rule asks for nothing: it is true of every packet."
    return f"In the packet stood {', '.join(found)}."


def _listed(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _sentence(text: str) -> str:
    return f"{capital(text)}."
