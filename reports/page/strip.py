"""A difference as a small picture: zero, the floor on either side, the interval and the mean.

Its axis is that of its own row, since metrics have different units: a bar beyond the shaded floor is what matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from windtunnel.reports.gate.compare import Comparison

WIDTH: Final = 100.0
LEAST_FLOORS: Final = 2.0
"""The axis reaches at least so many floors to either side of zero."""


@dataclass(frozen=True, slots=True)
class Strip:
    """Positions from 0 (left) to 100; zero is at 50. `colour` says by its name what the difference is."""

    floor: float
    low: float
    high: float
    mean: float
    colour: str


def strip_of(row: Comparison) -> Strip | None:
    """The picture of a row; None where it has no interval."""
    if row.difference is None or row.low is None or row.high is None:
        return None
    reach = 1.06 * max(abs(row.low), abs(row.high), abs(row.difference), LEAST_FLOORS * row.floor)
    if not reach:
        return None

    def at(value: float) -> float:
        return round(WIDTH / 2 * (1 + value / reach), 2)

    colours = {"worse": "bad", "better": "green", "inconclusive": "orange"}
    return Strip(
        floor=round(WIDTH / 2 * row.floor / reach, 2),
        low=at(row.low),
        high=at(row.high),
        mean=at(row.difference),
        colour=colours.get(row.state, "grey"),
    )
