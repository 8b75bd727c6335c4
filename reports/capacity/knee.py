"""The knee of good calls against offered calls: two straight lines, from the origin to the knee and on from there.

Below the knee what is offered is what comes good; beyond it more load brings little. Where good calls collapse in
place of levelling off there is no knee, but a cliff, which is told as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from windtunnel.harness.contract.capacity import Level
from windtunnel.reports.capacity.points import (
    Floats,
    Points,
    bounds,
    points_of,
    r_squared,
    resampled,
    settled,
)

BELOW, ABOVE = 3, 2
"""Levels that must lie below the knee and above it."""
LEAST_R2 = 0.97
MOST_RESIDUAL = 0.10
"""The largest distance of a level from the lines, as a share of the most good calls a second."""
BENT = 0.5
"""The slope beyond the knee must be below this share of that before it, in 95 % of the resamples."""
WIDEST = 0.15
"""The knee's interval may reach this share of it to either side."""
CLIFF = 0.5
"""A loss of this share of good calls from one level to the next is a cliff."""
STEPS = 200


@dataclass(frozen=True, slots=True)
class Knee:
    """Where the lines meet, in offered calls a second; `why` says why there is none, and is empty if there is one.

    `slopes` are good calls for each offered one, before and beyond it. `cliff`: between which two offered rates
    good calls collapse.
    """

    why: str
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    slopes: tuple[float, float] | None = None
    cliff: tuple[float, float] | None = None


def find_knee(levels: Sequence[Level]) -> Knee:
    """Fit the lines to the levels that settled, and judge them by the rules above."""
    cliff = _cliff(levels)
    steady = settled(levels)
    points = points_of(steady)
    if len(points) < BELOW + ABOVE:
        return Knee(f"only {len(points)} levels are steady, and it needs {BELOW + ABOVE}", cliff=cliff)
    rate, before, beyond, fitted = _lines(points)
    worst = float(np.max(np.abs(points.good - fitted)) / points.good.max())
    r2 = r_squared(points.good, fitted)
    if r2 < LEAST_R2 or worst > MOST_RESIDUAL:
        away = f"a level lies {100 * worst:.0f} % of the most good calls away"
        return Knee(f"two straight lines do not fit: R² is {r2:.3f}, and {away}", cliff=cliff)
    if (points.offered <= rate).sum() < BELOW or (points.offered > rate).sum() < ABOVE:
        return Knee(
            f"fewer than {BELOW} steady levels are below it, or fewer than {ABOVE} above", cliff=cliff
        )
    again = [_lines(one)[:3] for one in resampled(steady)]
    low, high = bounds([one[0] for one in again])
    bends = [one[2] / one[1] if one[1] else 1.0 for one in again]
    if bounds(bends)[1] > BENT:
        return Knee("good calls do not level off", cliff=cliff)
    if max(high / rate - 1, 1 - low / rate) > WIDEST:
        why = f"its interval, {low:.3g} to {high:.3g} calls/s, is wider than {100 * WIDEST:.0f} % to either side"
        return Knee(why, cliff=cliff)
    return Knee("", rate, low, high, (before, beyond), cliff)


def _lines(points: Points) -> tuple[float, float, float, Floats]:
    """The knee, the slopes before and beyond it, and the fit at each point: the best of STEPS knees.

    For each of them the slopes are those of least squares, all at once by the normal equations.
    """
    knees = np.linspace(points.offered[1], points.offered[-1], STEPS, endpoint=False)[:, None]
    upto, over = np.minimum(points.offered, knees), np.maximum(points.offered - knees, 0)
    uu, uo, oo = (upto * upto).sum(axis=1), (upto * over).sum(axis=1), (over * over).sum(axis=1)
    ug, og = upto @ points.good, over @ points.good
    divisor = uu * oo - uo * uo
    before, beyond = (oo * ug - uo * og) / divisor, (uu * og - uo * ug) / divisor
    fitted = before[:, None] * upto + beyond[:, None] * over
    best = int(np.argmin(((fitted - points.good) ** 2).sum(axis=1)))
    return float(knees[best, 0]), float(before[best]), float(beyond[best]), fitted[best]


def _cliff(levels: Sequence[Level]) -> tuple[float, float] | None:
    """The first two neighbours of which the busier has less than half of the good calls of the other."""
    known = sorted((one.rate, one.achieved) for one in levels if one.achieved is not None)
    for (rate, good), (busier, less) in pairwise(known):
        if less < CLIFF * good:
            return rate, busier
    return None
