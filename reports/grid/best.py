"""Which cell of a column is best, which are as good, and by how much the others are worse.

A cell is no candidate where it has no valid figure, or fewer good calls than others of its column: of the few calls
that are answered, times look short. A difference to the best is real where the sign-flip test over paired pieces says
so (Holm's method over the column) and where it is beyond the metric's floor, as in `windtunnel ab`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.gate.paired import ALPHA, holm, least_pairs, p_values
from windtunnel.reports.grid.model import Best, GridCell, Setting

FEWER_GOOD: Final = 0.01
"""By so much of the calls a cell may have fewer good ones than the column's best in that."""
LEAST_GOOD: Final = 0.9


def best_of(
    client: str,
    column: Setting,
    cells: Sequence[GridCell],
    metric: str,
    order: Mapping[str, Sequence[Setting]],
) -> Best:
    """The best of a client's cells in one column; `order` has the settings by which the smallest of equals is told."""
    able = candidates(cells, metric)
    if not able:
        return Best(client, column, tuple(cells))
    sign = 1.0 if METRICS[metric].better == "lower" else -1.0
    ranked = tuple(sorted(able, key=lambda cell: sign * cell.number))
    best, others = ranked[0], ranked[1:]
    sure = dict(zip((one.name for one in others), _sure(best, others, sign), strict=True))
    floor = METRICS[metric].floor.at(best.number)
    alike = tuple(one for one in others if not sure[one.name] or sign * (one.number - best.number) <= floor)
    worse = [one for one in others if one not in alike]
    chosen = min((best, *alike), key=lambda cell: size_of(cell, order))
    if not worse:
        return Best(client, column, tuple(cells), ranked, best, chosen, alike)
    after = worse[0]
    margin = abs(after.number - best.number) / abs(after.number) if after.number else None
    return Best(client, column, tuple(cells), ranked, best, chosen, alike, after, margin)


def candidates(cells: Sequence[GridCell], metric: str) -> list[GridCell]:
    """The cells that may be best."""
    known = [cell for cell in cells if not cell.trouble and cell.figure.value is not None]
    if metric == "goodput":
        return known
    most = max((cell.goodput or 0.0 for cell in known), default=0.0)
    least = max(LEAST_GOOD, most - FEWER_GOOD)
    return [
        cell
        for cell in known
        if (cell.goodput or 0.0) >= least and not (cell.figure.censored and METRICS[metric].better == "lower")
    ]


def _sure(best: GridCell, others: Sequence[GridCell], sign: float) -> list[bool]:
    """Whether each of the others is worse than the best beyond chance. Not known counts as sure: nothing says that
    they are alike."""
    rows, of = [], []
    for number, other in enumerate(others):
        if not best.series or len(best.series) != len(other.series):
            continue
        differences = sign * (np.array(other.series) - np.array(best.series))
        differences = differences[~np.isnan(differences)]
        if len(differences) >= least_pairs(len(others)):
            rows.append(differences)
            of.append(number)
    sure = [True] * len(others)
    for number, row, p in zip(of, rows, holm(p_values(rows)), strict=True):
        sure[number] = p <= ALPHA and float(np.mean(row)) > 0
    return sure


def size_of(cell: GridCell, order: Mapping[str, Sequence[Setting]]) -> tuple[float, ...]:
    """What makes one of two equal cells the smaller: its numbers, setting by setting; null is no limit, so the
    greatest. Of what is no number, that which the scenario names first."""
    return tuple(_size(cell.at[setting], values) for setting, values in order.items())


def _size(value: Setting, values: Sequence[Setting]) -> float:
    numbers = all(
        one is None or (isinstance(one, int | float) and not isinstance(one, bool)) for one in values
    )
    if not numbers:
        return float(list(values).index(value))
    return math.inf if value is None else float(value)
