"""Asks a policy's rules of a flow, in their order, as far as they can be answered.

The first true rule strikes, but waits for an earlier one that is not known yet. Rules
that let the flow go on to the next one are set aside, to be told of with the frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from filterlab.inspection.flow_table import Flow
from filterlab.policy.force import in_force
from filterlab.policy.ready import ReadyRule, make_ready
from filterlab.policy.rules import Policy, Rule
from filterlab.policy.tally import Tallies
from filterlab.policy.verdict import Verdict

Open = Literal[Verdict.UNDECIDED, Verdict.ALLOW]


class Judge:
    """The rules of one box; `flows` says how many it remembers."""

    __slots__ = ("_chance", "_flows", "_rules", "_tallies", "aside")

    def __init__(
        self, policy: Policy, chance: Callable[[], float], flows: Callable[[], int]
    ) -> None:
        self._rules = [make_ready(rule) for rule in policy.rules]
        self._chance = chance
        self._flows = flows
        self._tallies = Tallies()
        self.aside: list[ReadyRule] = []  # struck by this frame without ending it

    def judge(self, flow: Flow, now: float) -> ReadyRule | Open:
        """The rule that strikes; ALLOW if all are false; UNDECIDED if some may yet."""
        rules, watch = self._rules, flow.watch
        # A box that reads piece by piece may find something else in the next piece.
        again = watch is not None and watch.piecewise and bool(watch.pending)
        for number in range(flow.first_rule, len(rules)):
            ready = rules[number]
            said = ready.test(flow)
            if said and (ready.plain or self._applies(number, flow, now)):
                return ready
            if said is None and not (watch is not None and watch.piece_known):
                return Verdict.UNDECIDED
            # Of a piece that is something, what it is not will not be known later.
            if not again:
                flow.first_rule = number + 1
        return Verdict.UNDECIDED if again else Verdict.ALLOW

    def waits(self, flow: Flow) -> bool:
        """Whether `judge` would say UNDECIDED, and leave everything as it is."""
        watch = flow.watch
        if watch is None or watch.piecewise or watch.each_message:
            return False
        for ready in self._rules[flow.first_rule :]:
            said = ready.test(flow)
            if said is not False:
                return said is None
        return False

    def happens(self, probability: float) -> bool:
        """Whether something does that comes about in this share of all cases."""
        return probability >= 1 or self._chance() < probability

    def _applies(self, number: int, flow: Flow, now: float) -> bool:
        """Whether a rule that is true ends the matter for this flow."""
        ready = self._rules[number]
        rule = ready.rule
        if number in flow.passed or not in_force(rule, now, self._flows()):
            return False
        happens = self._is_due(number, rule, flow, now)
        if happens and not ready.aside:
            return True
        flow.passed |= {number}
        if happens:
            self.aside.append(ready)
        return False

    def _is_due(self, number: int, rule: Rule, flow: Flow, now: float) -> bool:
        after = rule.after_flows
        if after and not self._tallies.suffice(number, after, flow.ends, now):
            return False
        return self.happens(rule.probability)
