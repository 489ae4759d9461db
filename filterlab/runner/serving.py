"""Says of each service of a plan what is to be started, and where it writes to."""

from __future__ import annotations

from pathlib import Path

from filterlab.lab.network import Network
from filterlab.lab.services import ServiceSpec
from filterlab.runner.plan import Plan

VISITS = "visits.jsonl"  # what the service that a detector reads wrote down


def service_specs(plan: Plan, network: Network, folder: Path) -> list[ServiceSpec]:
    """The services in the scenario's order; `folder` is the run's."""
    specs = []
    for name, service in plan.scenario.services.items():
        node = network.node(plan.node_of[name])
        specs.append(
            ServiceSpec(
                name,
                node,
                service.at,
                tuple(service.speaks),
                tuple(node.addresses),
                dict(service.ports),
                service.also,
                service.redirects,
                service.intercepts,
                service.self_signed,
                _visits(plan, name, folder),
            )
        )
    return specs


def _visits(plan: Plan, service: str, folder: Path) -> Path | None:
    """Where a service writes its visits down, if somebody reads them."""
    detector = plan.scenario.detector
    watched = detector is not None and detector.service == service
    return folder / VISITS if watched else None
