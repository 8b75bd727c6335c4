"""Whether a level settled: how fast the wait of its calls grew over its batches.

Beyond capacity by a share x the wait grows by x ÷ (1 + x) of each second, for as long as the load lasts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from windtunnel.harness.capacity.verdict import SHARE, alike

Values = NDArray[np.float64]
Point = tuple[float, float]
"""When a batch was played, in seconds, and the mean wait of its calls."""


@dataclass(frozen=True, slots=True)
class WaitGrowth:
    """By how many seconds the wait grew in each second, and the lower bound of that."""

    mean: float
    low: float

    def unsettled(self, within: float) -> bool:
        """Whether it grows as it does at a rate beyond capacity by half of `within` or more."""
        return self.low > 0 and self.mean >= within / 2


def growth(plays: Sequence[Sequence[Point]]) -> WaitGrowth | None:
    """The slope that all plays have in common, each from a level of its own; None with fewer than three batches.

    By least squares. The interval is one-sided, at one look's share of the error; where what is left over is alike
    from batch to batch, they count as fewer.
    """
    plays = [play for play in plays if len(play) > 2]
    if not plays:
        return None
    times = [_about_mean([at for at, _ in play]) for play in plays]
    waits = [_about_mean([wait for _, wait in play]) for play in plays]
    spread = sum(float(at @ at) for at in times)
    slope = sum(float(at @ wait) for at, wait in zip(times, waits, strict=True)) / spread
    left = [(wait - slope * at).tolist() for at, wait in zip(times, waits, strict=True)]
    squares = sum(value**2 for play in left for value in play)
    count = sum(map(len, left))
    if squares <= 1e-12 * count:
        return WaitGrowth(slope, slope)
    worth = count / alike(left)
    freedom = max(1.0, worth - len(plays) - 1)
    error = math.sqrt(squares / freedom / spread * count / worth)
    return WaitGrowth(slope, slope - float(student.ppf(1 - SHARE, freedom)) * error)


def _about_mean(values: Sequence[float]) -> Values:
    array: Values = np.asarray(values, dtype=float)
    about: Values = array - array.mean()
    return about
