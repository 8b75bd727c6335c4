"""From the repeats of a client to one figure: the mean, and from three repeats on a t interval around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy import stats

from windtunnel.reports.metrics.figure import NO_FIGURE, Figure, Figures, Value

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
            figures[name] = median_time(repeats)
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


def median_time(repeats: Sequence[Figures]) -> Figure:
    """The median of `time_to_recover_s`, where a repeat that never recovered is infinite.

    An infinite median is at least as long as was observed: a lower bound, null where that is not known.
    """
    times = []
    for repeat in repeats:
        time = repeat.get("time_to_recover_s", NO_FIGURE)
        recovered = repeat.get("recovered", NO_FIGURE).value
        if time.value is not None:
            times.append((math.inf if time.censored else float(time.value), float(time.value)))
        elif recovered is False:
            times.append((math.inf, math.nan))
    if not times:
        return NO_FIGURE
    times.sort()
    middle = times[(len(times) - 1) // 2 : len(times) // 2 + 1]
    if not math.isinf(middle[-1][0]):
        return Figure(sum(time for time, _ in middle) / len(middle))
    bounds = [bound for _, bound in middle]
    return NO_FIGURE if any(map(math.isnan, bounds)) else Figure(sum(bounds) / len(bounds), censored=True)
