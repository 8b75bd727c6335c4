"""From the repeats of a client to one figure: the mean, and from three repeats on a t interval around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from scipy.special import stdtrit

from windtunnel.reports.metrics.figure import NO_FIGURE, Figure, Figures, Value

CONFIDENCE: Final = 0.95
REPEATS_FOR_INTERVAL: Final = 3
ANY_REPEAT: Final = frozenset({"metastable", "draining"})
"""True already if one repeat says so; every other truth must hold in all repeats."""


def over_repeats(repeats: Sequence[Figures]) -> dict[str, Figure]:
    """The figures of one client over its repeats, of one phase or overall.

    What must hold in all repeats is null where one has no value, unless another decides it; every other figure says
    over how many it is. A metric that no repeat has stays absent. `recovered_fraction` joins `recovered`.
    """
    names = dict.fromkeys(name for repeat in repeats for name in repeat)
    figures: dict[str, Figure] = {}
    for name in names:
        figures[name] = _over([repeat.get(name, NO_FIGURE) for repeat in repeats], name, repeats)
        if name == "recovered":
            known = [bool(value) for value in _values(repeats, name) if value is not None]
            share = mean_interval([sum(known) / len(known)] if known else [])
            figures["recovered_fraction"] = _over_how_many(share, len(known), len(repeats))
    return figures


def _over(own: Sequence[Figure], name: str, repeats: Sequence[Figures]) -> Figure:
    known = [figure for figure in own if figure.value is not None]
    if name == "time_to_recover_s":
        figure = median_time(repeats)
    elif any(isinstance(one.value, bool) for one in known):
        deciding = name in ANY_REPEAT
        if any(bool(one.value) is deciding for one in known):
            return Figure(deciding)
        if len(known) == len(own):
            return Figure(not deciding)
        return Figure(None, reason=f"not known of {len(own) - len(known)} of {len(own)} repeats")
    else:
        figure = mean_interval([float(one.value) for one in known if one.value is not None])
        if any(one.censored for one in known):
            figure = Figure(figure.value, censored=True)
    if not known:
        return replace(figure, reason=next((one.reason for one in own if one.reason), ""))
    return _over_how_many(figure, len(known), len(own))


def _over_how_many(figure: Figure, known: int, of: int) -> Figure:
    return figure if known in (0, of) else replace(figure, reason=f"over {known} of {of} repeats")


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
    spread = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2)) * error
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
