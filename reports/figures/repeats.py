"""From the repeats of a client to one figure: the mean, and from three repeats on a t interval around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy import stats

from windtunnel.reports.metrics.figure import Figure, Figures, Value

CONFIDENCE: Final = 0.95
REPEATS_FOR_INTERVAL: Final = 3
ANY_REPEAT: Final = frozenset({"metastable", "draining"})
"""True already if one repeat says so; every other truth must hold in all repeats."""


def over_repeats(repeats: Sequence[Figures]) -> dict[str, Figure]:
    """The figures of one client over its repeats, of one phase or overall.

    Repeats without a value for a metric do not count for it; it is null if none has one. A metric that no
    repeat has stays absent. `recovered_fraction` joins where there is `recovered`.
    """
    names = dict.fromkeys(name for repeat in repeats for name in repeat)
    figures: dict[str, Figure] = {}
    for name in names:
        values = [value for value in _values(repeats, name) if value is not None]
        if name == "time_to_recover_s":
            pairs = zip(_values(repeats, "recovered"), _values(repeats, name), strict=True)
            figures[name] = Figure(median_time(list(pairs)))
        elif any(isinstance(value, bool) for value in values):
            figures[name] = Figure(any(values) if name in ANY_REPEAT else all(values))
        else:
            figures[name] = mean_interval([float(value) for value in values])
        if name == "recovered":
            known = [bool(value) for value in values]
            figures["recovered_fraction"] = mean_interval([sum(known) / len(known)] if known else [])
    return figures


def _values(repeats: Sequence[Figures], name: str) -> list[Value]:
    """A metric's value in each repeat; None where it is absent or null."""
    return [repeat[name].value if name in repeat else None for repeat in repeats]


def mean_interval(values: Sequence[float]) -> Figure:
    """Mean and Student's t interval (95 %) of independent repeats; the interval is null below 3 of them."""
    if not values:
        return Figure(None)
    mean = values[0] if len(values) == 1 else float(np.mean(values))
    if len(values) < REPEATS_FOR_INTERVAL:
        return Figure(mean)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    spread = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return Figure(mean, mean - spread, mean + spread)


def median_time(repeats: Sequence[tuple[Value, Value]]) -> float | None:
    """Median of (recovered, seconds), where unrecovered is infinite; null if the median is, or nothing is known."""
    times = [
        math.inf if seconds is None else float(seconds) for known, seconds in repeats if known is not None
    ]
    if not times:
        return None
    times.sort()
    middle = len(times) // 2
    median = times[middle] if len(times) % 2 else (times[middle - 1] + times[middle]) / 2
    return None if math.isinf(median) else median
