"""Latency-aware choice of a region: each call goes to the one that has answered fastest lately.

    try ──time to its first content──► average of its region ──► the lowest is asked next
        ──failure──► the region is failing ──every now and then a probe──► answers? ──► its average counts again

The average forgets exponentially with time. Some calls explore the other regions, for otherwise a region that was slow
once would never be seen to be fast again. A failure is no slow answer: in an average it would outweigh many answers and
keep calls away long after the region is back. So failures are kept beside it, as Finagle does (its `PeakEwma` measures
latency alone, `FailureAccrualFactory` lets one probe in after a time, and one success revives) and Envoy (peak EWMA,
with outlier detection for failures). Every instance of the application measures for itself, so all of them may find the
same region fast, and go there together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from windtunnel.harness.inputs.region_choice import RegionChoice
from windtunnel.harness.policies.clock import Draw
from windtunnel.harness.policies.policy import PRIMARY, CallState, Policy, TryState

_EXPLORING = -1
"""The number of a try that there never is: its draw says whether a call explores."""


@dataclass(slots=True)
class _Region:
    """What is known of a region: the weighted average of its answers' times, in seconds, and whether it fails.

    `weight` is what all answers so far count at `at`. `probe_at`: when one call asks a failing region again; None: its
    last try was answered.
    """

    average: float = 0.0
    weight: float = 0.0
    at: float = -math.inf
    probe_at: float | None = None

    @property
    def known(self) -> bool:
        """Whether any try there has shown anything."""
        return bool(self.weight) or self.probe_at is not None

    def add(self, seconds: float, now: float, decay: float) -> None:
        """Add an answer, which counts 1; what was there counts less by the time that has passed."""
        kept = self.weight * math.exp((self.at - now) / decay) if self.weight else 0.0
        self.average = (self.average * kept + seconds) / (kept + 1.0)
        self.weight, self.at = kept + 1.0, now
        self.probe_at = None


class LatencyAwarePolicy(Policy):
    """The instance's view of its regions. `targets` are those that there are, without the primary, in order."""

    name = "region"

    def __init__(self, settings: RegionChoice, targets: Sequence[str], draw: Draw) -> None:
        self._settings = settings
        self._regions = {target: _Region() for target in (PRIMARY, *targets)}
        self._draw = draw
        self._explored = 0

    def goes_to(self, call: CallState, now: float) -> str | None:
        regions = self._regions
        for target, region in regions.items():
            if region.probe_at is not None and now >= region.probe_at:
                return target
        best = self._fastest(regions)
        unknown = [target for target, region in regions.items() if not region.known]
        # A region that never answers stays unknown until the first try there has failed: it gets its share, no more.
        share = max(self._settings.explore, 1 / len(regions)) if unknown else self._settings.explore
        if self._draw(call.call_id, _EXPLORING) >= share:
            return best
        others = unknown or [
            target for target, region in regions.items() if target != best and region.probe_at is None
        ]
        self._explored += 1
        return others[self._explored % len(others)] if others else best

    def begins(self, call: CallState, one: TryState, now: float) -> None:
        region = self._regions.get(one.target)
        if region is not None and region.probe_at is not None:
            region.probe_at = now + self._settings.probe

    def content(self, call: CallState, one: TryState, now: float) -> None:
        if one.target in self._regions:
            self._regions[one.target].add(now - one.began_at, now, self._settings.decay)

    def after(self, call: CallState, one: TryState, now: float) -> float | None:
        region = self._regions.get(one.target)
        if region is None or one.failure is None or not one.failure.is_one_of(self._settings.on):
            return None
        if region.probe_at is None:  # a try that was under way before does not put the next probe off
            region.probe_at = now + self._settings.probe
        return None

    def instead(self, call: CallState, target: str, now: float) -> str | None:
        if call.failure is not None and not call.failure.is_one_of(self._settings.on):
            return None
        tried = {one.target for one in call.tries} | {target}
        left = [other for other in self._regions if other not in tried]
        return self._fastest(left) if left else None

    def says(self, call: CallState, now: float) -> str:
        return ", ".join(
            f"{target or 'primary'} {'fails' if region.probe_at is not None else f'{region.average:.2f} s'}"
            for target, region in self._regions.items()
            if region.known
        )

    def _fastest(self, among: Iterable[str]) -> str:
        """Of several targets that which costs least; one that is unknown comes after those that are known."""
        return min(among, key=lambda target: (not self._regions[target].known, self._cost(target)))

    def _cost(self, target: str) -> float:
        region = self._regions[target]
        return (
            region.average if region.probe_at is None else max(region.average, self._settings.failure_costs)
        )
