"""A client, a server, and one exchange that either passes everything or filters."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

from filterlab.lab.network import Network
from filterlab.policy.rules import Policy
from filterlab.runner.controller import (
    CONTROLLER_PORT,
    Controller,
    exchange_config,
)
from filterlab.runner.topologies import lay_out
from filterlab.scenario import content
from filterlab.scenario.policies import load_policy

# Looks at the name of every TLS connection; it stands in the path and blocks none of
# the names that the benchmarks use.
POLICY = "bench"


class OneExchange:
    """The topology `single` with its controller, up while the block lasts."""

    def __init__(self, folder: Path) -> None:
        self.network = Network(
            lay_out("single", {}), folder / "network", CONTROLLER_PORT
        )
        self._folder = folder
        self.controller = self._start()

    def _start(self) -> Controller:
        decisions = self._folder / "decisions.jsonl"
        config = self._folder / "controller.json"
        config.write_text(json.dumps(exchange_config(self.network, decisions, 1, 1.0)))
        return Controller([str(config)], self._folder / "controller.log")

    def __enter__(self) -> OneExchange:
        self.network.up()
        self.network.connect_controllers()
        self.controller.wait_ready(self.network.exchanges)
        return self

    def __exit__(self, *_: object) -> None:
        self.controller.stop()
        self.network.down()

    def pass_everything(self, yes: bool) -> None:
        """Put the policy without rules in force, or the one that inspects TLS."""
        name = "open" if yes else POLICY
        self.put(load_policy(content.policies()[name]), name)

    def put(self, policy: Policy, name: str) -> None:
        """Put a policy in force, under a name of its own."""
        file = self._folder / f"{name}.pickle"
        file.write_bytes(pickle.dumps(policy))
        self.controller.set_policies({self.network.exchanges[0]: file})
