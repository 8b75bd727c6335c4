"""The growth limiter: refuses traffic that grows too fast (`slow_down`), even far below the rate limits.

OpenAI documents only what it does, so the rule is ours: the rate of the last `recent` seconds may be at most
`factor` times the rate of the last `baseline` seconds, and at least `factor` × `floor` is always allowed. Both
rates are exponentially weighted, which needs two numbers a key and gives the wait in closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

TOLERANCE = 1e-9
"""Relative; for the rounding of floating point."""

LONGEST_WAIT = 3600.0
"""Seconds: the wait stated where neither bound is ever met (no floor, and a baseline shorter than `recent`)."""


@dataclass(frozen=True, slots=True)
class GrowthSettings:
    """`baseline` and `recent` are time constants in seconds, `floor` requests a second."""

    factor: float
    baseline: float
    recent: float
    floor: float


class GrowthMeter:
    """The recent and the baseline request rate of one key and model."""

    __slots__ = ("_at", "_baseline", "_recent", "settings")

    def __init__(self, settings: GrowthSettings, now: float) -> None:
        self.settings = settings
        self._at = now
        self._recent = 0.0  # requests, weighted by exp(−age ÷ settings.recent)
        self._baseline = 0.0

    def _age(self, now: float) -> None:
        passed = now - self._at
        if passed > 0.0:
            self._recent *= math.exp(-passed / self.settings.recent)
            self._baseline *= math.exp(-passed / self.settings.baseline)
            self._at = now

    def rates(self, now: float) -> tuple[float, float]:
        """Return the recent rate and the baseline rate, in requests a second."""
        self._age(now)
        return self._recent / self.settings.recent, self._baseline / self.settings.baseline

    def add(self, now: float) -> None:
        """Count one request."""
        self._age(now)
        self._recent += 1.0
        self._baseline += 1.0

    def wait(self, now: float) -> float:
        """Return the seconds until a request is within the growth allowed; 0 if it is already.

        The recent rate r·exp(−t/R) falls to factor · floor, or to the falling factor · b·exp(−t/B), whichever
        comes first.
        """
        settings = self.settings
        recent, baseline = self.rates(now)
        if recent <= settings.factor * max(baseline, settings.floor) * (1.0 + TOLERANCE):
            return 0.0
        waits = [LONGEST_WAIT]
        if settings.floor > 0.0:
            waits.append(settings.recent * math.log(recent / (settings.factor * settings.floor)))
        if settings.recent < settings.baseline:
            slope = 1.0 / settings.recent - 1.0 / settings.baseline
            waits.append(math.log(recent / (settings.factor * baseline)) / slope)
        return min(waits)
