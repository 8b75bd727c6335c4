"""How fast something grows: the Theil–Sen slope, with an interval that neighbouring values alike do not narrow.

The slope is the median over all pairs of points, so that spikes do not move it. Its usual interval takes every point
for news of its own; in a soak, a slow minute follows a slow minute. The interval is therefore widened by what the
residuals say of that (as for the mean of an AR(1) series).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.stats import theilslopes

from windtunnel.reports.read.outcomes import Floats

CONFIDENCE: Final = 0.999
"""Of the interval: a soak looks at many metrics, and a false alarm costs somebody a morning."""
MOST_POINTS: Final = 400
"""All pairs are looked at: with more points than this, neighbours are first joined by their median."""
LEAST_POINTS: Final = 8
_MOST_ALIKE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through a series: its slope an hour with an interval, and its value at the first point."""

    per_hour: float
    low: float
    high: float
    start: float
    start_h: float
    end_h: float

    @property
    def grown(self) -> float:
        """By how much it went up from the first point to the last."""
        return self.per_hour * (self.end_h - self.start_h)

    def at(self, hour: float) -> float:
        """The line's value at an hour."""
        return self.start + self.per_hour * (hour - self.start_h)

    def reaches(self, limit: float) -> float | None:
        """The hour at which the line comes to `limit` from below; None if it never does."""
        if self.per_hour <= 0:
            return None
        return max(self.start_h, self.start_h + (limit - self.start) / self.per_hour)


def trend(
    at_h: Floats, values: Floats, *, confidence: float = CONFIDENCE, least: int = LEAST_POINTS
) -> Trend | None:
    """The trend of a series in order of time; values that are not there are NaN. None with fewer than `least`."""
    at_h, values = thinned(at_h, values, MOST_POINTS)
    if len(values) < least or at_h[0] == at_h[-1]:
        return None
    found = theilslopes(values, at_h, alpha=confidence)
    slope, intercept = float(found.slope), float(found.intercept)
    wider = _widening(values - (intercept + slope * at_h))
    return Trend(
        per_hour=slope,
        low=slope - wider * (slope - float(found.low_slope)),
        high=slope + wider * (float(found.high_slope) - slope),
        start=intercept + slope * float(at_h[0]),
        start_h=float(at_h[0]),
        end_h=float(at_h[-1]),
    )


def thinned(at_h: Floats, values: Floats, most: int) -> tuple[Floats, Floats]:
    """The series without what is not there, and neighbours joined by their median until `most` are left."""
    there = np.isfinite(values)
    at_h, values = at_h[there], values[there]
    if len(values) <= most:
        return at_h, values
    cuts = np.linspace(0, len(values), most + 1).astype(int)
    parts = [slice(start, end) for start, end in pairwise(cuts)]
    return np.array([at_h[one].mean() for one in parts]), np.array([np.median(values[one]) for one in parts])


def _widening(residuals: Floats) -> float:
    """By which factor points that resemble their neighbours widen the interval; at least 1."""
    centred = residuals - residuals.mean()
    variance = float(centred @ centred)
    if variance <= 0:
        return 1.0
    alike = float(centred[1:] @ centred[:-1]) / variance + 1 / len(
        residuals
    )  # the estimate is biased downwards
    alike = min(max(alike, 0.0), _MOST_ALIKE)
    return math.sqrt((1 + alike) / (1 - alike))
