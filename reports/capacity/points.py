"""The levels of a search as points that curves are fitted to, and resamples of their batches for bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from windtunnel.harness.contract.capacity import Level
from windtunnel.reports.capacity.little import little

Floats = npt.NDArray[np.float64]
RESAMPLES = 200
"""How often batches are drawn again for a band: enough for 95 % bounds, and below a second of work."""
SHARE = 0.95
"""What a band holds."""


@dataclass(frozen=True, slots=True)
class Points:
    """A point for each level, by offered rate: calls/s offered, good calls/s, and calls under way in the mean."""

    offered: Floats
    good: Floats
    in_flight: Floats

    def __len__(self) -> int:
        return len(self.offered)


def settled(levels: Sequence[Level]) -> list[Level]:
    """The levels that are steady, so that a longer play of them would give the same figures."""
    found = []
    for level in levels:
        law = little(level)
        if level.settled and law is not None and law.steady:
            found.append(level)
    return sorted(found, key=lambda one: one.rate)


def points_of(levels: Sequence[Level]) -> Points:
    """The point of each level, from all of its batches."""
    return _points([np.asarray(_rows(level)) for level in levels])


def resampled(levels: Sequence[Level], count: int = RESAMPLES) -> Iterator[Points]:
    """The same points `count` times, each from as many batches of a level as it has, drawn with replacement.

    The chance in it is the same each time, so that the same levels give the same report.
    """
    draw = np.random.default_rng(0)
    rows = [np.asarray(_rows(level)) for level in levels]
    for _ in range(count):
        yield _points([batches[draw.integers(0, len(batches), len(batches))] for batches in rows])


def _rows(level: Level) -> list[tuple[float, ...]]:
    return [(one.length_s, one.calls, one.good, one.in_flight * one.length_s) for one in level.flows]


def _points(rows: Sequence[Floats]) -> Points:
    sums = np.array([batches.sum(axis=0) for batches in rows]).reshape(-1, 4)
    return Points(*(sums[:, 1:] / sums[:, :1]).T)


def bounds(values: Sequence[float]) -> tuple[float, float]:
    """Between which two values the middle SHARE of them lies."""
    low, high = np.quantile(np.asarray(values), [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return float(low), float(high)


def r_squared(values: Floats, fitted: Floats) -> float:
    """1 - the sum of squares about the fit ÷ that about the mean; 0 where all values are alike."""
    about = float(((values - values.mean()) ** 2).sum())
    return 1 - float(((values - fitted) ** 2).sum()) / about if about else 0.0


def longest_run(residuals: Floats) -> int:
    """How many neighbours at most lie on one side of a fit."""
    longest = here = 0
    last = 0.0
    for sign in np.sign(residuals):
        here = here + 1 if sign == last and sign else 1
        longest, last = max(longest, here), float(sign)
    return longest
