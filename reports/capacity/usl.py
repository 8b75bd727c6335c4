"""The Universal Scalability Law (Gunther, "Guerrilla Capacity Planning", 2007), fitted to the levels of a search.

X(N) = lambda N ÷ (1 + sigma (N - 1) + kappa N (N - 1)): N calls under way get X good calls a second. lambda is what
one alone gets, sigma the share of work that waits for others (contention), kappa what each pair costs (coherence: with
it, more is less). Retries and abandoned work look like kappa.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from windtunnel.harness.contract.capacity import Level
from windtunnel.reports.capacity.points import (
    Floats,
    Points,
    bounds,
    longest_run,
    points_of,
    r_squared,
    resampled,
    settled,
)

LEAST_LEVELS = 6
"""Twice the three parameters."""
LEAST_SPAN = 4.0
"""How many times more calls must be under way at the busiest level than at the quietest."""
LEAST_R2 = 0.99
MOST_RESIDUAL = 0.10
"""The largest distance of a level from the curve, as a share of that level's own good calls a second.

Of its own, not of the most: a provider with a fixed number of slots makes a corner, and a law that rounds it is a
quarter wrong where little is under way, though R² is 0.98.
"""
SMALL_RESIDUAL = 0.02
"""Below this share it does not matter on which side of the curve levels lie, and a curve is a straight line."""
BEYOND = 2
"""Levels that must lie beyond a peak."""
STEPS = 60


@dataclass(frozen=True, slots=True)
class UslPoint:
    """The curve at `in_flight` calls under way: good calls a second, and the band about it."""

    in_flight: float
    good: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Usl:
    """The law as it was fitted; `why` says why it is not accepted, and is empty if it is.

    `alone` is lambda in calls a second, `contention` sigma, `coherence` kappa, each with the bounds of its bootstrap.
    `peak` is the number of calls under way that gets the most; None unless two levels lie beyond it, the last of them
    lower than the best by more than SMALL_RESIDUAL. `curve` is empty where the law is not accepted.
    """

    why: str
    levels: int
    r2: float | None = None
    alone: tuple[float, float, float] | None = None
    contention: tuple[float, float, float] | None = None
    coherence: tuple[float, float, float] | None = None
    peak: UslPoint | None = None
    curve: tuple[UslPoint, ...] = ()


def law(n: Floats, alone: float, contention: float, coherence: float) -> Floats:
    """X(N)."""
    return alone * n / (1 + contention * (n - 1) + coherence * n * (n - 1))


def fit_usl(levels: Sequence[Level]) -> Usl:
    """Fit the law to the levels that settled, and judge the fit by the rules above."""
    steady = settled(levels)
    points = points_of(steady)
    if len(points) < LEAST_LEVELS:
        return Usl(f"only {len(points)} levels are steady, and it needs {LEAST_LEVELS}", len(points))
    span = float(points.in_flight.max() / max(points.in_flight.min(), 1e-9))
    if span < LEAST_SPAN:
        why = f"the levels span only {span:.1f} times as many calls under way, and it needs {LEAST_SPAN:g} times"
        return Usl(why, len(points))
    found = _fitted(points)
    fitted = law(points.in_flight, *found)
    r2 = r_squared(points.good, fitted)
    again = np.array([_fitted(one, found) for one in resampled(steady)])
    alone, contention, coherence = ((value, *bounds(again[:, at].tolist())) for at, value in enumerate(found))
    why = _why_not(points, fitted, r2) or _straight(points, found)
    if why:
        return Usl(why, len(points), r2, alone, contention, coherence)
    curve = _curve(np.geomspace(points.in_flight.min(), points.in_flight.max(), STEPS), found, again)
    return Usl("", len(points), r2, alone, contention, coherence, _peak(points, found, again), curve)


def _why_not(points: Points, fitted: Floats, r2: float) -> str:
    """Which rule the fit breaks; empty: none."""
    residuals = (points.good - fitted) / np.maximum(points.good, SMALL_RESIDUAL * points.good.max())
    worst = int(np.argmax(np.abs(residuals)))
    if r2 < LEAST_R2:
        return f"R² is {r2:.3f}, and it needs {LEAST_R2:g}"
    if abs(residuals[worst]) > MOST_RESIDUAL:
        return (
            f"the curve is {100 * abs(residuals[worst]):.0f} % off at {points.offered[worst]:.4g} calls/s, and "
            f"{100 * MOST_RESIDUAL:.0f} % is the limit"
        )
    run = longest_run(residuals)
    if run > max(3, len(points) / 2) and abs(residuals[worst]) > SMALL_RESIDUAL:
        return f"{run} levels in a row lie on one side of the curve: it has another shape"
    return ""


def _straight(points: Points, found: tuple[float, float, float]) -> str:
    """Say that nothing bends the curve, so that it tells no contention and no coherence; empty if something does."""
    most = points.in_flight.max()
    bend = 1 - float(law(most, *found)) / (found[0] * float(most))
    return f"up to {most:.4g} calls under way nothing bends the line" if bend < SMALL_RESIDUAL else ""


def _fitted(points: Points, start: tuple[float, float, float] | None = None) -> tuple[float, float, float]:
    """lambda, sigma and kappa by least squares, with sigma from 0 to 1 and kappa from 0 on."""
    first = float(np.max(points.good / points.in_flight))
    guess = (first, 0.02, 1e-4) if start is None else start
    inside = [max(first * 1e-3, guess[0]), min(0.999, max(1e-6, guess[1])), max(1e-9, guess[2])]

    def residuals(values: Floats) -> Floats:
        alone, contention, coherence = values
        away: Floats = (law(points.in_flight, alone, contention, coherence) - points.good) / points.good.max()
        return away

    found = least_squares(
        residuals,
        inside,
        bounds=([0, 0, 0], [np.inf, 1, np.inf]),
        x_scale=[first, 0.01, 1e-4],
    ).x
    return float(found[0]), float(found[1]), float(found[2])


def _curve(at: Floats, found: tuple[float, float, float], again: Floats) -> tuple[UslPoint, ...]:
    many = np.array([law(at, *values) for values in again])
    return tuple(
        UslPoint(float(n), float(good), *bounds(many[:, column].tolist()))
        for column, (n, good) in enumerate(zip(at, law(at, *found), strict=True))
    )


def _peak(points: Points, found: tuple[float, float, float], again: Floats) -> UslPoint | None:
    """Where the curve is highest, √((1 - sigma) ÷ kappa), if levels were played on both sides of it."""
    _, contention, coherence = found
    if coherence <= 0 or bounds(again[:, 2].tolist())[0] <= 0:
        return None
    at = float(np.sqrt((1 - contention) / coherence))
    beyond = points.good[points.in_flight > at]
    if len(beyond) < BEYOND or beyond[-1] > (1 - SMALL_RESIDUAL) * points.good.max():
        return None
    return _curve(np.array([at]), found, again)[0]
