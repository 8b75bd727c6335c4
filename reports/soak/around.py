"""What a measure was before, during and after each kind of incident: does it come back to what it was?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from windtunnel.reports.read.outcomes import Floats
from windtunnel.reports.soak.cycles import CyclePhase
from windtunnel.reports.soak.finding import Measure
from windtunnel.reports.soak.judge import SoakSeries

NEAR_S: Final = 900.0
"""Seconds before and after an incident that are looked at, at most; less where a neighbouring phase is shorter."""


@dataclass(frozen=True, slots=True)
class AroundIncident:
    """A measure around an incident that came `times` times: the mean over these of before, during and after it.

    A value is None where nothing is known.
    """

    incident: str
    times: int
    measure: Measure
    before: float | None
    during: float | None
    after: float | None


def around(phases: Sequence[CyclePhase], series: Sequence[SoakSeries]) -> list[AroundIncident]:
    """Each kind of incident with each of the series, in the order in which the kinds first come."""
    kinds = dict.fromkeys(phase.name for phase in phases if phase.incident)
    found = []
    for kind in kinds:
        windows = [
            _windows(phases, n) for n, phase in enumerate(phases) if phase.incident and phase.name == kind
        ]
        for one in series:
            values = [[_mean(one, *window) for window in windows_of_one] for windows_of_one in windows]
            before, during, after = (_known_mean(column) for column in zip(*values, strict=True))
            found.append(AroundIncident(kind, len(windows), one.measure, before, during, after))
    return found


def _windows(phases: Sequence[CyclePhase], n: int) -> tuple[tuple[float, float], ...]:
    """(from, to) of before, during and after phase `n`, in seconds; none of them where there is no neighbour."""
    phase = phases[n]
    before = phases[n - 1] if n else None
    after = phases[n + 1] if n + 1 < len(phases) else None
    ahead = 0.0 if before is None else min(NEAR_S, before.end_s - before.start_s)
    behind = 0.0 if after is None else min(NEAR_S, after.end_s - after.start_s)
    return (
        (phase.start_s - ahead, phase.start_s),
        (phase.start_s, phase.end_s),
        (phase.end_s, phase.end_s + behind),
    )


def _mean(series: SoakSeries, start_s: float, end_s: float) -> float:
    first, last = np.searchsorted(series.at_s, [start_s, end_s])
    return _nan_mean(series.values[first:last])


def _nan_mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _known_mean(values: Sequence[float]) -> float | None:
    mean = _nan_mean(np.array(values, dtype=float))
    return None if np.isnan(mean) else mean
