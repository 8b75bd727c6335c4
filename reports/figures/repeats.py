"""From the repeats of a client to one figure: the mean, and from three repeats on a t interval around it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from scipy import stats

from windtunnel.reports.metrics.cohort import Value

CONFIDENCE: Final = 0.95
REPEATS_FOR_INTERVAL: Final = 3
ANY_REPEAT: Final = frozenset({"metastable", "draining"})
"""True already if one repeat says so; every other truth must hold in all repeats."""


def over_repeats(repeats: Sequence[Mapping[str, Value]]) -> dict[str, dict[str, Any]]:
    """`{metric: {value, low, high}}` of the repeats of one client, of one phase or overall.

    Repeats without a value for a metric do not count for it; it is null if none has one. A metric that no
    repeat has stays absent. `recovered_fraction` joins where there is `recovered`.
    """
    names = dict.fromkeys(name for repeat in repeats for name in repeat)
    figures: dict[str, dict[str, Any]] = {}
    for name in names:
        values = [repeat[name] for repeat in repeats if repeat.get(name) is not None]
        if name == "time_to_recover_s":
            figures[name] = _figure(median_time([(r.get("recovered"), r.get(name)) for r in repeats]))
        elif any(isinstance(value, bool) for value in values):
            figures[name] = _figure(any(values) if name in ANY_REPEAT else all(values))
        else:
            figures[name] = mean_interval([float(value) for value in values if value is not None])
        if name == "recovered":
            told = [bool(value) for value in values]
            figures["recovered_fraction"] = mean_interval([sum(told) / len(told)] if told else [])
    return figures


def _figure(value: Value) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None}


def mean_interval(values: Sequence[float]) -> dict[str, Any]:
    """Mean and Student's t interval (95 %) of independent repeats; the interval is null below 3 of them."""
    if not values:
        return _figure(None)
    mean = values[0] if len(values) == 1 else float(np.mean(values))
    if len(values) < REPEATS_FOR_INTERVAL:
        return _figure(mean)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    spread = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
    return {"value": mean, "low": mean - spread, "high": mean + spread}


def median_time(repeats: Sequence[tuple[Value, Value]]) -> float | None:
    """Median of (recovered, seconds), where unrecovered is infinite; null if the median is, or nothing is known."""
    times = [math.inf if seconds is None else float(seconds) for told, seconds in repeats if told is not None]
    if not times:
        return None
    times.sort()
    middle = len(times) // 2
    median = times[middle] if len(times) % 2 else (times[middle - 1] + times[middle]) / 2
    return None if math.isinf(median) else median
