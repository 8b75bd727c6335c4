"""From a series of a soak to a finding, or to none.

A finding needs all of these: the interval of the trend at equal phases does not hold zero; the change matters; and it
still goes on in the second half, as what fills a cache or a pool stops. Then the change point says since when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from windtunnel.reports.read.outcomes import Floats
from windtunnel.reports.soak.change import change_of
from windtunnel.reports.soak.cycles import HOUR_S, CyclePhase, at_equal_phases, blamed
from windtunnel.reports.soak.finding import Measure, SoakFinding, Unseen
from windtunnel.reports.soak.trend import Trend, trend

GOES_ON: Final = 0.25
"""In its second half a series must grow at this share of its whole speed at least: less is a plateau."""
LATE_CONFIDENCE: Final = 0.9
LEAST_LATE: Final = 4
"""Points of the second half of the shortest series that has a trend."""
MOST_NAMED: Final = 5
"""Types of objects that a finding names."""
OBJECTS: Final = "objects"
OBJECTS_OF: Final = "objects of "
"""Begins the name of a measure that counts the objects of one type; without a type it is all of them."""
COMMON: Final = ("builtins.", "collections.", "weakref.", "_contextvars.")
"""How the names of types begin that objects of all kinds are made of; a finding names them last."""
LEAST_CYCLES: Final = 4
"""With fewer, a trend cannot be told from chance."""


@dataclass(frozen=True, slots=True)
class SoakSeries:
    """A measure over the soak: values (NaN: none) at seconds from its start, in order."""

    measure: Measure
    at_s: Floats
    values: Floats


def judge_all(series: Sequence[SoakSeries], phases: Sequence[CyclePhase]) -> tuple[SoakFinding, ...]:
    """The findings of all series. Objects of several types that grow are one finding: a leak is seldom of one type."""
    found = [one for each in series if (one := judge(each, phases)) is not None]
    kinds = [one for one in found if one.measure.name.startswith(OBJECTS_OF)]
    if not kinds:
        return tuple(found)
    # A type of a library says more than a dictionary or a weak reference does: everything has those.
    kinds.sort(key=lambda one: (one.measure.name.removeprefix(OBJECTS_OF).startswith(COMMON), -one.per_hour))
    whole = next((one for one in found if one.measure.name == OBJECTS), kinds[0])
    parts = ", ".join(
        f"{one.measure.name.removeprefix(OBJECTS_OF)} {one.measure.said(one.per_hour)} an hour"
        for one in kinds[:MOST_NAMED]
    )
    others = [one for one in found if one not in kinds and one is not whole]
    return (*others, replace(whole, detail=parts))


def judge(series: SoakSeries, phases: Sequence[CyclePhase]) -> SoakFinding | None:
    """What a series shows; None if nothing that matters changes for good."""
    measure = series.measure
    hours, upward = _upward(series, phases)
    sign = -1.0 if measure.falls else 1.0
    line, since = _growing(hours, upward, measure)
    if line is None:
        return None
    hurts = None
    if measure.limit is not None:
        hurts = line.reaches(sign * measure.limit)
    low, high = sorted((sign * line.low, sign * line.high))
    return SoakFinding(
        measure=measure,
        since_h=0.0 if since is None else since,
        per_hour=sign * line.per_hour,
        low=low,
        high=high,
        first=sign * line.at(line.start_h),
        last=sign * line.at(line.end_h),
        hurts_h=hurts,
        incident=blamed(series.at_s, sign * series.values, phases) or _before(since, phases),
    )


def without(series: Sequence[SoakSeries], found: Sequence[SoakFinding]) -> list[SoakSeries]:
    """The series that have no finding; objects of one type belong to all objects."""
    names = {one.measure.name for one in found}
    return [
        one for one in series if one.measure.name not in names and not one.measure.name.startswith(OBJECTS_OF)
    ]


def unseen(series: SoakSeries, phases: Sequence[CyclePhase]) -> Unseen:
    """How fast a series without a finding may grow all the same."""
    hours, upward = _upward(series, phases)
    found = trend(hours, upward)
    if (
        found is not None and found.low > 0 and _matters(found, series.measure)
    ):  # it had stopped, or seemed to
        late = hours >= (found.start_h + found.end_h) / 2
        found = trend(hours[late], upward[late], confidence=LATE_CONFIDENCE, least=LEAST_LATE)
    if found is None:
        return Unseen(series.measure, None, noisy=True)
    matters = _least(found, series.measure) / float(hours[-1] - hours[0])
    return Unseen(series.measure, max(matters, found.high), noisy=found.high > matters)


def _upward(series: SoakSeries, phases: Sequence[CyclePhase]) -> tuple[Floats, Floats]:
    """Hours and values at equal phases, turned so that what is bad goes up."""
    measure = series.measure
    healthy = [phase for phase in phases if not phase.incident]
    compared = healthy if measure.healthy_phases_only and healthy else phases
    hours, values = at_equal_phases(
        series.at_s, series.values, compared, relative=measure.relative, by_mean=measure.by_mean
    )
    return hours, -values if measure.falls else values


def _growing(hours: Floats, upward: Floats, measure: Measure) -> tuple[Trend | None, float | None]:
    """The line on which a series grows, and since which hour; None where it does not, and for 'from the start'."""
    since = change_of(hours, upward)
    if since is not None:
        early = trend(hours[hours < since], upward[hours < since])
        late = _lasting(hours[hours >= since], upward[hours >= since], measure)
        # That it grew before as well says that its speed changed, not when it began.
        if late is not None and (early is None or early.per_hour <= late.per_hour / 2):
            return late, since
    return _lasting(hours, upward, measure), None


def _lasting(hours: Floats, upward: Floats, measure: Measure) -> Trend | None:
    """The trend of a series if it is one: beyond chance, of a size that matters, and still going on."""
    found = trend(hours, upward)
    if found is None or found.low <= 0 or not _matters(found, measure):
        return None
    return found if _goes_on(hours, upward, found) else None


def _matters(found: Trend, measure: Measure) -> bool:
    return found.grown >= _least(found, measure)


def _least(found: Trend, measure: Measure) -> float:
    """The smallest change over a soak that matters."""
    usual = abs(found.at((found.start_h + found.end_h) / 2))
    return max(measure.least, measure.least_share * usual)


def _goes_on(hours: Floats, upward: Floats, whole: Trend) -> bool:
    late = hours >= (whole.start_h + whole.end_h) / 2
    second = trend(hours[late], upward[late], confidence=LATE_CONFIDENCE, least=LEAST_LATE)
    return second is not None and second.low > 0 and second.per_hour >= GOES_ON * whole.per_hour


def _before(since_h: float | None, phases: Sequence[CyclePhase]) -> str:
    """The incident that was on, or had just ended, when a change began; empty if there was none."""
    if since_h is None or not any(phase.incident for phase in phases):
        return ""
    shortest = min(phase.end_s - phase.start_s for phase in phases)
    at_s = since_h * HOUR_S
    starts = np.array([phase.start_s for phase in phases])
    ends = np.array([phase.end_s for phase in phases])
    near = (starts <= at_s) & (at_s <= ends + shortest)
    names = [phase.name for phase, close in zip(phases, near, strict=True) if close and phase.incident]
    return names[-1] if names else ""
