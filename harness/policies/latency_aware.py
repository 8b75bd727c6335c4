"""Latency-aware choice of a region: each call goes to the one that has answered fastest lately.

    try ──time to its first content, or what a failure costs──► average of its region ──► the lowest is asked next

The average forgets exponentially with time. Some calls explore the other regions, for otherwise a region that was slow
once would never be seen to be fast again. Every instance of the application measures for itself, so all of them may
find the same region fast, and go there together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from windtunnel.harness.inputs.region_choice import RegionChoice
from windtunnel.harness.policies.clock import Draw
from windtunnel.harness.policies.policy import PRIMARY, CallState, Policy, TryState

_EXPLORING = -1
"""The number of a try that there never is: its draw says whether a call explores."""


@dataclass(slots=True)
class _Average:
    """A weighted average of times in seconds; `weight` is what all samples so far count at `at`."""

    value: float = 0.0
    weight: float = 0.0
    at: float = -math.inf

    def add(self, seconds: float, now: float, decay: float) -> None:
        """Add a sample, which counts 1; what was there counts less by the time that has passed."""
        kept = self.weight * math.exp((self.at - now) / decay) if self.weight else 0.0
        self.value = (self.value * kept + seconds) / (kept + 1.0)
        self.weight, self.at = kept + 1.0, now


class LatencyAwarePolicy(Policy):
    """The instance's view of its regions. `targets` are those that there are, without the primary, in order."""

    name = "region"

    def __init__(self, settings: RegionChoice, targets: Sequence[str], draw: Draw) -> None:
        self._settings = settings
        self._averages = {target: _Average() for target in (PRIMARY, *targets)}
        self._draw = draw
        self._explored = 0

    def goes_to(self, call: CallState, now: float) -> str | None:
        best = self._fastest(self._averages)
        unknown = [target for target, average in self._averages.items() if not average.weight]
        # A region that never answers stays unknown until the first try there has failed: it gets its share, no more.
        share = max(self._settings.explore, 1 / len(self._averages)) if unknown else self._settings.explore
        if self._draw(call.call_id, _EXPLORING) >= share:
            return best
        others = unknown or [target for target in self._averages if target != best]
        self._explored += 1
        return others[self._explored % len(others)] if others else best

    def content(self, call: CallState, one: TryState, now: float) -> None:
        self._measured(one, now - one.began_at, now)

    def after(self, call: CallState, one: TryState, now: float) -> float | None:
        if one.failure is not None and one.failure.is_one_of(self._settings.on):
            self._measured(one, max(now - one.began_at, self._settings.failure_costs), now)
        return None

    def instead(self, call: CallState, target: str, now: float) -> str | None:
        if call.failure is not None and not call.failure.is_one_of(self._settings.on):
            return None
        tried = {one.target for one in call.tries} | {target}
        left = [other for other in self._averages if other not in tried]
        return self._fastest(left) if left else None

    def says(self, call: CallState, now: float) -> str:
        known = {target: average for target, average in self._averages.items() if average.weight}
        return ", ".join(f"{target or 'primary'} {average.value:.2f} s" for target, average in known.items())

    def _measured(self, one: TryState, seconds: float, now: float) -> None:
        if one.target in self._averages:
            self._averages[one.target].add(seconds, now, self._settings.decay)

    def _fastest(self, among: Sequence[str] | dict[str, _Average]) -> str:
        """Of several targets that with the lowest average; one that is unknown comes after those that are known."""
        return min(
            among, key=lambda target: (not self._averages[target].weight, self._averages[target].value)
        )
