"""Where a level's warm-up ends, by MSER-5 (White, 1997): the cut whose rest has the smallest standard error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GROUP = 5


def mser5(values: Sequence[float]) -> int:
    """How many of the values, from the first on, belong to the warm-up: a multiple of five, at most one half.

    Means of five values each are looked at. The cut d is the one that minimises the sum of squares about the mean of
    those after it ÷ their number squared. A minimum in the second half says that there is no steady part; then one
    half is cut.
    """
    groups = len(values) // GROUP
    if groups < 2:
        return 0
    means = np.asarray(values[: groups * GROUP], dtype=float).reshape(groups, GROUP).mean(axis=1)
    left = np.arange(groups, 0, -1)
    total = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum(means[::-1] ** 2)[::-1]
    spread = np.maximum(squares - total**2 / left, 0.0) / left.astype(float) ** 2
    half = groups // 2
    return int(np.argmin(spread[: half + 1])) * GROUP
