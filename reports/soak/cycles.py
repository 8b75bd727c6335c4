"""The cycles of a soak: like is compared with like, a phase with the same phase of other cycles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from windtunnel.reports.read.outcomes import Floats

HOUR_S: Final = 3600.0
PARTS: Final = 48
"""Points of a soak that are compared at least, where its phases are few."""
_MOST: Final = 0.6
"""Share of a gain that an incident must have; less than all, as its edges are seen through a window."""
_TIMES: Final = 2.0
"""So many times its share of the time an incident must have of the gain."""


@dataclass(frozen=True, slots=True)
class CyclePhase:
    """One phase of one cycle: `name` is the scenario's, times are seconds from the start of the soak."""

    cycle: int
    name: str
    start_s: float
    end_s: float
    incident: bool


def parted(phases: Sequence[CyclePhase], least: int = PARTS) -> list[CyclePhase]:
    """The phases, each cut into as many parts as make at least `least` of all; a part has its number in its name."""
    count = max(1, math.ceil(least / max(1, len(phases))))
    if count == 1:
        return list(phases)
    cut = []
    for phase in phases:
        edges = np.linspace(phase.start_s, phase.end_s, count + 1)
        for part in range(count):
            name, start, end = f"{phase.name} {part + 1}", float(edges[part]), float(edges[part + 1])
            cut.append(replace(phase, name=name, start_s=start, end_s=end))
    return cut


def by_phase(
    at_s: Floats, values: Floats, phases: Sequence[CyclePhase], *, by_mean: bool = False
) -> list[tuple[CyclePhase, float]]:
    """The median (or mean) of the values in each phase of each cycle; phases without any are left out."""
    found = []
    for phase in phases:
        first, last = np.searchsorted(at_s, [phase.start_s, phase.end_s])
        inside = values[first:last]
        inside = inside[np.isfinite(inside)]
        if len(inside):
            found.append((phase, float(np.mean(inside) if by_mean else np.median(inside))))
    return found


def at_equal_phases(
    at_s: Floats,
    values: Floats,
    phases: Sequence[CyclePhase],
    *,
    relative: bool = False,
    by_mean: bool = False,
) -> tuple[Floats, Floats]:
    """Hours, and how each phase differs from the median of its like in all cycles, so that a cycle is no trend.

    The median of all of them is added again, so that what comes out is of the size of what went in. `relative`: phases
    differ by a factor (latency), not by an amount (connections).
    """
    medians = by_phase(at_s, values, parted(phases), by_mean=by_mean)
    if not medians:
        return np.empty(0), np.empty(0)
    names = [phase.name for phase, _ in medians]
    hours = np.array([(phase.start_s + phase.end_s) / 2 / HOUR_S for phase, _ in medians])
    found = np.array([value for _, value in medians])
    by_factor = relative and bool((found > 0).all())
    if by_factor:
        found = np.log(found)
    flat = found - _slope_between_likes(hours, found, names) * (hours - hours.mean())
    likes: dict[str, list[float]] = {}
    for name, value in zip(names, flat, strict=True):
        likes.setdefault(name, []).append(float(value))
    usual = {name: float(np.median(of_name)) for name, of_name in likes.items()}
    level = float(np.median(flat))
    compared = found + level - np.array([usual[name] for name in names])
    return hours, np.exp(compared) if by_factor else compared


def _slope_between_likes(hours: Floats, values: Floats, names: Sequence[str]) -> float:
    """The median slope an hour between values of one name: the seasonal slope of Hirsch, Slack and Smith (1982).

    What grows within a cycle would else be taken for what its phases are like.
    """
    slopes = []
    for name in dict.fromkeys(names):
        of_name = np.array([one == name for one in names])
        at, there = hours[of_name], values[of_name]
        first, second = np.triu_indices(len(at), 1)
        slopes.append((there[second] - there[first]) / (at[second] - at[first]))
    found = np.concatenate(slopes)
    return float(np.median(found)) if len(found) else 0.0


def blamed(at_s: Floats, values: Floats, phases: Sequence[CyclePhase]) -> str:
    """The incident in which a level rises: most of what it gained it gained there. Empty if no incident is.

    An incident that takes most of the time anyway is not blamed for what happens in that time.
    """
    there = np.isfinite(values)
    at_s, values = at_s[there], values[there]
    if len(values) < 2:
        return ""
    near = min((phase.end_s - phase.start_s for phase in phases), default=0.0) / 4
    gained: dict[str, float] = {}
    lasted: dict[str, float] = {}
    for phase in phases:
        rise = _level(phase.end_s, near, at_s, values) - _level(phase.start_s, near, at_s, values)
        gained[phase.name] = gained.get(phase.name, 0.0) + rise
        lasted[phase.name] = lasted.get(phase.name, 0.0) + phase.end_s - phase.start_s
    total, length = sum(gained.values()), sum(lasted.values())
    for name in dict.fromkeys(phase.name for phase in phases if phase.incident):
        if total > 0 and gained[name] >= max(_MOST, _TIMES * lasted[name] / length) * total:
            return name
    return ""


def _level(time_s: float, near_s: float, at_s: Floats, values: Floats) -> float:
    """The level about a time: the median of the values near it, or else what lies between its neighbours."""
    first, last = np.searchsorted(at_s, [time_s - near_s, time_s + near_s])
    return float(np.median(values[first:last]) if first < last else np.interp(time_s, at_s, values))
