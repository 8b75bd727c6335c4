"""How lengths of time and moments of a run are written: in the unit that suits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class TimeUnit:
    """A unit of a time axis: its name, its sign, its length, and the steps between ticks that are round in it."""

    name: str
    sign: str
    seconds: float
    steps: tuple[float, ...]


SECONDS: Final = TimeUnit("seconds", "s", 1.0, (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60))
MINUTES: Final = TimeUnit("minutes", "min", 60.0, (0.5, 1, 2, 5, 10, 15, 20, 30))
HOURS: Final = TimeUnit("hours", "h", 3600.0, (0.5, 1, 2, 3, 4, 6, 12))
DAYS: Final = TimeUnit("days", "d", 86400.0, (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000))
MOST_SECONDS: Final = 300.0
MOST_MINUTES: Final = 7200.0
MOST_HOURS: Final = 3.0 * 86400
MOST_TICKS: Final = 9


def unit_of(length_s: float) -> TimeUnit:
    """The unit in which a person thinks of something that takes `length_s`."""
    if length_s <= MOST_SECONDS:
        return SECONDS
    if length_s <= MOST_MINUTES:
        return MINUTES
    return HOURS if length_s <= MOST_HOURS else DAYS


def tick_step(length_s: float) -> float:
    """Seconds between the ticks of an axis that is `length_s` long: round in its unit, and `MOST_TICKS` at most."""
    unit = unit_of(length_s)
    enough = (step for step in unit.steps if length_s / (step * unit.seconds) <= MOST_TICKS - 1)
    return unit.seconds * next(enough, unit.steps[-1])


def moment(at_s: float, length_s: float) -> str:
    """A moment of a run that is `length_s` long, as a number in that run's unit: `1.5` of hours."""
    return f"{round(at_s / unit_of(length_s).seconds, 2):,g}"


def duration(seconds: float) -> str:
    """A duration in the unit that suits it."""
    size = abs(seconds)
    if size == 0:
        return "0 s"
    if size < 0.9995:
        return f"{1000 * seconds:.1f} ms" if size < 0.00995 else f"{1000 * seconds:.0f} ms"
    if size < 99.95:
        if float(seconds).is_integer():
            return f"{seconds:.0f} s"
        return f"{seconds:.2f} s" if size < 9.995 else f"{seconds:.1f} s"
    return f"{seconds:,.0f} s" if size < 7200 else f"{seconds / 3600:.1f} h"
