"""Statistics of paired differences: rows of differences in; p-values, intervals and what could have been found out.

A pair is one incident, played by A and by B: if both do alike, either sign of a difference is as likely. So p-values
are of the sign-flip (paired permutation) test, which assumes nothing of how values are distributed: exact up to 15
pairs, drawn beyond that. Every draw has a fixed seed: the same records always have the same verdict.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy  # which loads `scipy.stats` when it is first used: a second that most reports need not wait

Array: TypeAlias = npt.NDArray[np.float64]

ALPHA: Final = 0.05
POWER: Final = 0.9
SEED: Final = 1
FLIPS: Final = 49_999
"""Sign flips drawn where there are too many to try all; more for families whose threshold lies below 2 / FLIPS."""
RESAMPLES: Final = 4_999
AT_ONCE: Final = 500
MOST_REPEATS: Final = 10_000
LEAST_FOR_INTERVAL: Final = 3


def _mean(values: Array, axis: int = -1) -> Any:
    return np.mean(values, axis=axis)


def p_values(rows: Sequence[Array]) -> list[float]:
    """The two-sided p-value of each row: how likely so large a mean is if each sign were a coin's."""
    flips = max(FLIPS, math.ceil(4 * len(rows) / ALPHA))
    found = [1.0] * len(rows)
    for size, members in _by_size(rows).items():
        if size < 2:
            continue
        tested = scipy.stats.permutation_test(
            (np.stack([rows[i] for i in members]),), _mean, permutation_type="samples", vectorized=True,
            n_resamples=flips, batch=AT_ONCE, axis=-1, rng=np.random.default_rng(SEED),
        )  # fmt: skip
        for i, p in zip(members, np.atleast_1d(tested.pvalue), strict=True):
            found[i] = float(p)
    return found


def intervals(rows: Sequence[Array]) -> list[tuple[float | None, float | None]]:
    """The 95 % bootstrap interval (BCa) of each row's mean; (None, None) below three pairs."""
    found: list[tuple[float | None, float | None]] = [(None, None)] * len(rows)
    for i, row in enumerate(rows):
        if len(row) >= LEAST_FOR_INTERVAL and np.ptp(row) == 0:
            found[i] = (float(row[0]), float(row[0]))
    moving = [i for i, row in enumerate(rows) if len(row) >= LEAST_FOR_INTERVAL and np.ptp(row) > 0]
    for members in _by_size([rows[i] for i in moving]).values():
        own = [moving[i] for i in members]
        values = np.stack([rows[i] for i in own])
        for i, ends in zip(own, _bootstrap(values), strict=True):
            found[i] = ends
    return found


def _bootstrap(values: Array) -> list[tuple[float, float]]:
    """BCa intervals of each row; where that has none (hardly any pair differs), the percentile interval."""
    ends: list[Array] = []
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of rows that BCa has no interval for: the next one has
            drawn = scipy.stats.bootstrap(
                (values,), _mean, vectorized=True, axis=-1, method=method, confidence_level=1 - ALPHA,
                n_resamples=RESAMPLES, batch=AT_ONCE, rng=np.random.default_rng(SEED),
            )  # fmt: skip
        ends.append(np.stack(np.broadcast_arrays(*drawn.confidence_interval), axis=-1).reshape(-1, 2))
        if not np.isnan(ends[0]).any():
            break
    chosen = np.where(np.isnan(ends[0]).any(axis=1, keepdims=True), ends[-1], ends[0])
    return [(float(low), float(high)) for low, high in chosen]


def _by_size(rows: Sequence[Array]) -> dict[int, list[int]]:
    """Indices of rows, by how many differences they have: those of one length are worked out together."""
    sizes: dict[int, list[int]] = {}
    for i, row in enumerate(rows):
        sizes.setdefault(len(row), []).append(i)
    return sizes


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values: the chance of even one false alarm in the whole family is at most the level."""
    adjusted = [0.0] * len(ps)
    so_far = 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        so_far = max(so_far, min(1.0, (len(ps) - rank) * ps[i]))
        adjusted[i] = so_far
    return adjusted


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p-values: of those below the level at most that share is chance."""
    return [float(p) for p in scipy.stats.false_discovery_control(ps)] if ps else []


def least_pairs(family: int) -> int:
    """How many pairs there must be before any difference can be sure among `family` ones: 2 / 2^n ≤ 5 % ÷ family."""
    return math.ceil(1 + math.log2(max(1, family) / ALPHA) - 1e-9)


def smallest_found(spread: float, pairs: int, family: int) -> float:
    """The mean difference that `pairs` with the standard deviation `spread` show with a power of 0.9.

    By Student's t at the level that the first of a family has to pass; a permutation test comes close to it.
    """
    freedom = pairs - 1
    wanted = scipy.stats.t.ppf(1 - ALPHA / (2 * max(1, family)), freedom) + scipy.stats.t.ppf(POWER, freedom)
    return float(wanted) * spread / math.sqrt(pairs)


def repeats_for(difference: float, spread: float, pairs: int, family: int) -> int | None:
    """How many pairs would show a mean difference of this size; None beyond 10,000."""
    low = max(pairs + 1, least_pairs(family), 3)
    if smallest_found(spread, low, family) <= difference:
        return low
    high = MOST_REPEATS
    if smallest_found(spread, high, family) > difference:
        return None
    while high - low > 1:  # it falls as pairs are added
        middle = (low + high) // 2
        low, high = (low, middle) if smallest_found(spread, middle, family) <= difference else (middle, high)
    return high
