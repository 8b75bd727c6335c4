"""Does the service come back after the incident, when, and if not: will it ever?

G(t) is the goodput of the calls intended in [t, t + 5 s), a window that is widened until it holds 20 calls.
G_pre is the goodput of all phases before the first faulty one. The service has recovered at the smallest t
after the last faulty phase, on a grid of 0.1 s, from which on G stays at 0.95 G_pre or above for 10 s.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from windtunnel.reports.metrics.attempts import load_factor
from windtunnel.reports.metrics.capacity import capacity_per_s
from windtunnel.reports.metrics.cohort import window_of
from windtunnel.reports.metrics.work import wasted_work
from windtunnel.reports.read.outcomes import Bools, Floats, Judged
from windtunnel.reports.read.run_dir import CellRecords

WINDOW_S = 5.0
WINDOW_CALLS = 20
STEPS_PER_S = 10
HELD_S = 10
SHARE_OF_BEFORE = 0.95
FAULT_LENGTHS = 2.0
LOAD_SHARE = 0.9
LOAD_FACTOR = 1.2
WASTED_WORK = 0.3
QUEUE_FALLS_TO = 0.9
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of the service after the last faulty phase; times in seconds from t0 unless said otherwise.

    `recovered` and `time_s` (from `fault_end_s`) are null if there is no goodput before the fault to compare
    with, or if it could not be told: the run was cut off, or planned to end too soon after the fault for any client
    to show 10 s of health. `window_s` is the widest window that G needed.
    """

    fault_start_s: float
    fault_end_s: float
    goodput_before: float | None
    observed_s: float
    window_s: float | None
    recovered: bool | None
    time_s: float | None
    metastable: bool | None
    draining: bool | None


def recovery_of(judged: Judged, scenario: Mapping[str, Any]) -> Recovery | None:
    """The recovery of a cell; None without a faulty phase that has phases before and after it."""
    phases = judged.cell.phases
    faulty = [phase for phase in phases if phase.faulty]
    if not faulty or faulty[0].index == 0 or faulty[-1].index == len(phases) - 1:
        return None
    start, end = faulty[0].start_s, faulty[-1].end_s
    calls = judged.calls[judged.calls["judged"]]
    before = calls["good"][calls["intended_s"] < start]
    pre = float(before.mean()) if len(before) else None
    grid = GoodputGrid.of(calls["intended_s"].to_numpy(), calls["good"].to_numpy(), end, judged.end_s)
    time = grid.recovered_after(SHARE_OF_BEFORE * pre) if pre else None
    cannot_tell = judged.end_s < judged.cell.end_s or grid.is_too_short
    recovered = None if not pre or (time is None and cannot_tell) else time is not None
    observed = max(0.0, min(judged.cell.end_s, judged.cell.observed_s) - end)
    stuck = None
    if recovered is True:
        stuck = False
    elif (
        recovered is False
        and observed >= FAULT_LENGTHS * sum(p.end_s - p.start_s for p in faulty) - _ROUNDING
    ):
        stuck = _sustains_itself(judged, scenario, end)
    return Recovery(
        fault_start_s=start,
        fault_end_s=end,
        goodput_before=pre,
        observed_s=observed,
        window_s=grid.widest_s,
        recovered=recovered,
        time_s=time,
        metastable=stuck,
        draining=None if stuck is None else (not stuck and recovered is False),
    )


@dataclass(frozen=True, slots=True)
class GoodputGrid:
    """G on the grid: `goodput` at `start_s` + k ÷ 10 s, of windows that end before the phases do."""

    goodput: Floats
    widest_s: float | None

    @classmethod
    def of(cls, intended_s: Floats, good: Bools, start_s: float, end_s: float) -> GoodputGrid:
        """From calls in the order of intended time, those intended before `end_s` judged."""
        steps = max(0, math.floor((end_s - WINDOW_S - start_s) * STEPS_PER_S + _ROUNDING) + 1)
        at = start_s + np.arange(steps) / STEPS_PER_S
        first = np.searchsorted(intended_s, at - _ROUNDING, side="left")
        by_time = np.searchsorted(intended_s, at + WINDOW_S - _ROUNDING, side="left")
        last = np.maximum(by_time, first + WINDOW_CALLS)
        whole = last <= len(intended_s)
        at, first, last, by_time = at[whole], first[whole], last[whole], by_time[whole]
        good_until = np.concatenate([[0], np.cumsum(good)])
        widths = np.where(last > by_time, intended_s[last - 1] - at, WINDOW_S) if len(at) else at
        return cls(
            (good_until[last] - good_until[first]) / (last - first), float(widths.max()) if len(at) else None
        )

    @property
    def is_too_short(self) -> bool:
        """Whether even perfect goodput could not be held for HELD_S on this grid."""
        return len(self.goodput) < HELD_S * STEPS_PER_S + 1

    def recovered_after(self, level: float) -> float | None:
        """Seconds after the start from which on G stays at `level` or above for HELD_S; None if never."""
        needed = HELD_S * STEPS_PER_S + 1
        held = np.concatenate([[0], np.cumsum(self.goodput >= level - _ROUNDING)])
        runs = np.flatnonzero(held[needed:] - held[:-needed] == needed)
        return float(runs[0]) / STEPS_PER_S if len(runs) else None


def _sustains_itself(judged: Judged, scenario: Mapping[str, Any], fault_end_s: float) -> bool:
    """Whether the overload goes on by itself: the provider is as before, the load would fit, and yet.

    The last third of what was observed after the fault decides: amplified or wasted, and no shorter queue.
    """
    cell = judged.cell
    end = min(cell.end_s, cell.observed_s)
    intended = judged.calls["intended_s"].between(fault_end_s, end, inclusive="left").sum() / (
        end - fault_end_s
    )
    if not is_restored(cell) or intended > LOAD_SHARE * capacity_per_s(cell, cell.phases[-1].index):
        return False
    third = window_of(judged, scenario, end - (end - fault_end_s) / 3, end)
    factor, wasted = load_factor(third), wasted_work(third)
    amplified = isinstance(factor, float) and factor >= LOAD_FACTOR
    useless = isinstance(wasted, float) and wasted >= WASTED_WORK
    return (amplified or useless) and not _queue_falls(judged, third.start_s, end)


def is_restored(cell: CellRecords) -> bool:
    """Whether every phase after the fault has the rules and the provider of the last phase before it."""
    plans = cell.plan["server_plan"].get("phases") or []
    settings = [(phase.get("rules") or [], phase.get("provider") or {}) for phase in plans]
    faulty = [phase.index for phase in cell.phases if phase.faulty]
    return all(after == settings[faulty[0] - 1] for after in settings[faulty[-1] + 1 :])


def _queue_falls(judged: Judged, start_s: float, end_s: float) -> bool:
    """Whether the queue seen by arrivals is clearly shorter in the second half of [start_s, end_s)."""
    middle = (start_s + end_s) / 2
    at, depth = judged.served["arrived_s"], judged.served["queue_depth"]
    early = depth[at.between(start_s, middle, inclusive="left")].mean()
    late = depth[at.between(middle, end_s, inclusive="left")].mean()
    return bool(late < QUEUE_FALLS_TO * early)
