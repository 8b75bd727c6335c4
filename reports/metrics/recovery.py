"""Does the service come back after the incident, when, and if not: will it ever?

The calls intended after the last faulty phase have a change point (`change_point.py`), from which on they are as good
as those before the first faulty one. The service has recovered at that instant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from windtunnel.reports.metrics.attempts import load_factor
from windtunnel.reports.metrics.capacity import capacity_per_s
from windtunnel.reports.metrics.change_point import change_point
from windtunnel.reports.metrics.cohort import window_of
from windtunnel.reports.metrics.work import wasted_work
from windtunnel.reports.read.outcomes import Judged
from windtunnel.reports.read.run_dir import CellRecords

RATE_PER_S = 2.0
"""With fewer calls and some of them failed, chance alone decides where a change point is found."""
TOO_FEW = "too few calls to say"
NEVER_GOOD = "no call before the fault was good"
CUT_OFF = "the run was cut off before it could be seen"
FAULT_LENGTHS = 2.0
LOAD_SHARE = 0.9
LOAD_FACTOR = 1.2
WASTED_WORK = 0.3
QUEUE_FALLS_TO = 0.9
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of the service after the last faulty phase; times in seconds from t0 unless said otherwise.

    `recovered` and `time_s` (from `fault_end_s`) are null if it could not be told, and `reason` says why. `window_s` is
    how long was observed from the change point on.
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
    reason: str = ""


def recovery_of(judged: Judged, scenario: Mapping[str, Any]) -> Recovery | None:
    """The recovery of a cell; None without a faulty phase that has phases before and after it."""
    phases = judged.cell.phases
    faulty = [phase for phase in phases if phase.faulty]
    if not faulty or faulty[0].index == 0 or faulty[-1].index == len(phases) - 1:
        return None
    start, end = faulty[0].start_s, faulty[-1].end_s
    calls = judged.calls[judged.calls["judged"]]
    before = calls["good"][calls["intended_s"] < start]
    pre = (int(before.sum()) + 0.5) / (len(before) + 1)
    after = calls[(calls["intended_s"] >= end) & (calls["intended_s"] < judged.end_s)]
    good = after["good"].to_numpy(dtype=bool)
    found = change_point(after["intended_s"].to_numpy(dtype=float), good, pre, end, judged.end_s)
    recovered, reason = None, ""
    if not before.any():
        reason = NEVER_GOOD
    elif found is None or (not good.all() and len(good) < RATE_PER_S * (judged.end_s - end)):
        reason = TOO_FEW
    else:
        recovered = found.is_recovery(pre)
        if not recovered and judged.end_s < judged.cell.end_s:
            recovered, reason = None, CUT_OFF
    time = found.at_s - end if found and recovered else None
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
        goodput_before=float(before.mean()) if len(before) else None,
        observed_s=observed,
        window_s=judged.end_s - found.at_s if found else None,
        recovered=recovered,
        time_s=time,
        metastable=stuck,
        draining=None if stuck is None else (not stuck and recovered is False),
        reason=reason,
    )


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
