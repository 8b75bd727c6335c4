"""Times at which a region's port is closed: by its own `reachable`, or by a rule whose fault acts on the listener.

plan ──► regions that are not reachable, rules with a listener fault, a phase at a time ──► in force now? until when?

No I/O, no clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.faults.base import Stage
from windtunnel.mock_server.faults.listener import ClosedParams
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.plan.provider import Reachable
from windtunnel.mock_server.plan.rule import Rule
from windtunnel.mock_server.rules import FaultUse

_NANOSECOND = 1e-9
"""Seconds: the edge of a burst is a sum of floats, and a time that is equal but for rounding lies behind it."""


@dataclass(frozen=True, slots=True)
class TimedRule:
    """One rule whose fault acts on no request. `start` is where its bursts are counted from, in seconds from t0."""

    use: FaultUse
    rule: Rule
    start: float

    def concerns(self, region: str) -> bool:
        """Whether it is for this region."""
        return self.rule.match.region in (None, region)

    def at(self, now: float) -> tuple[bool, float]:
        """Whether it is in force at `now`, and when that changes by itself (`inf`: never)."""
        burst = self.rule.burst
        if burst is None or burst.for_ >= burst.every:
            return True, math.inf
        elapsed = now - self.start + _NANOSECOND
        period = math.floor(elapsed / burst.every)
        if (period + 1) * burst.every <= elapsed:  # the quotient was rounded down
            period += 1
        begin = period * burst.every
        if elapsed < begin + burst.for_:
            return True, self.start + begin + burst.for_
        return False, self.start + begin + burst.every


def _unreachable(region: str, reachable: Reachable) -> FaultUse | None:
    """What closes the port of a region that says itself that it cannot be reached; None for one that can."""
    if reachable == "open":
        return None
    params = ClosedParams(established="reset" if reachable == "refused" else "silent")
    kind = FAULTS["refuse" if reachable == "refused" else "blackhole"]
    return FaultUse(kind, params, f"provider.regions.{region}.reachable")


def is_silent(use: FaultUse | None) -> bool:
    """Whether what closes a region's port silences its open connections, too."""
    return use is not None and isinstance(use.params, ClosedParams) and use.params.established == "silent"


def timed_rules(plan: Plan, phase: int, stage: Stage) -> tuple[TimedRule, ...]:
    """Return the rules of a phase whose faults act at a stage before any request, in the plan's order."""
    found = []
    for i, (rule_id, rule) in enumerate(plan.rules_at(phase)):
        use = rule.uses[0]
        if use is not None and use.kind.stage == stage:
            start = 0.0 if i < len(plan.rules) else plan.phase_start(phase)
            found.append(TimedRule(FaultUse(use.kind, use.params, rule_id), rule, start))
    return tuple(found)


class Outages:
    """All that closes ports in a plan."""

    __slots__ = ("_phases", "_unreachable")

    def __init__(self, plan: Plan) -> None:
        self._unreachable: list[dict[str, FaultUse | None]] = []
        self._phases: list[tuple[TimedRule, ...]] = []
        for phase in range(max(1, len(plan.phases))):
            self._phases.append(timed_rules(plan, phase, "listener"))
            provider = plan.settings_at(phase)
            self._unreachable.append(
                {name: _unreachable(name, provider.region(name).reachable) for name in provider.regions}
            )

    def listening(self, region: str, now: float, phase: int) -> FaultUse | None:
        """What closes a region's port at `now` in phase `phase`; None while it is open.

        What the region says of itself stands before any rule, and of rules the first one.
        """
        own = self._unreachable[phase].get(region)
        if own is not None:
            return own
        for outage in self._phases[phase]:
            if outage.concerns(region) and outage.at(now)[0]:
                return outage.use
        return None

    def silences(self, region: str) -> bool:
        """Whether a region's open connections are silent at any time."""
        uses = [phase.get(region) for phase in self._unreachable]
        uses += [outage.use for phase in self._phases for outage in phase if outage.concerns(region)]
        return any(map(is_silent, uses))

    def next_change(self, now: float, phase: int) -> float:
        """When a port may open or close next within the phase; `inf` if none will."""
        return min([outage.at(now)[1] for outage in self._phases[phase]], default=math.inf)
