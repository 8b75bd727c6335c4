"""Which clients are marked as the best and the worst of a row: those whose interval is apart from every other's.

Chance alone orders any two clients. From three repeats or seeds on a figure has an interval; a client beside itself
has intervals that overlap, and carries no mark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from windtunnel.reports.metrics.figure import Figure

Mark = Literal["", "best", "worst"]


def marks(figures: Sequence[Figure | None], better: str | None) -> list[Mark]:
    """`best` and `worst` of a row (None: the metric is not of that client); no mark where intervals overlap.

    Clients with exactly the same figure share a mark. A row in which a client has a value without an interval has no
    marks: nobody knows where that client stands. An unknown value (null) has none, and takes none from the others.
    """
    known = {index: one for index, one in enumerate(figures) if one is not None and one.value is not None}
    found: list[Mark] = ["" for _ in figures]
    if better is None or any(one.low is None or one.high is None for one in known.values()):
        return found
    spans = {index: _span(one) for index, one in known.items()}
    signs: tuple[Mark, Mark] = ("worst", "best") if better == "higher" else ("best", "worst")
    for index, (low, high) in spans.items():
        others = [span for span in spans.values() if span != (low, high)]
        if others and all(high < other for other, _ in others):
            found[index] = signs[0]
        elif others and all(other < low for _, other in others):
            found[index] = signs[1]
    return found


def _span(figure: Figure) -> tuple[float, float]:
    """The ends of the interval; what is a lower bound may be as large as it likes."""
    low, high = figure.low, figure.high
    if low is None or high is None:
        raise ValueError("a figure without an interval has no place in a row")
    return low, math.inf if figure.censored else high
