"""Metrics of calls: how many, how many good, and what came broken."""

from __future__ import annotations

import numpy as np

from windtunnel.reports.metrics.cohort import ABSENT, Cohort, Result, ratio
from windtunnel.reports.metrics.figure import Figure
from windtunnel.reports.read.outcomes import Floats

OVERRUN_S = 0.25
"""How much longer than its declared deadline a call may take before it counts as an overrun."""

DEFAULT_OBJECTIVE = 0.99
HALF = 0.5


def offered(cohort: Cohort) -> Result:
    return cohort.offered


def goodput(cohort: Cohort) -> Result:
    return ratio(int(cohort.calls["good"].sum()), len(cohort.calls))


def error_budget_burn(cohort: Cohort) -> Result:
    objective = float(cohort.scenario.get("objective", DEFAULT_OBJECTIVE))
    good = goodput(cohort)
    if not isinstance(good, float) or objective >= 1:
        return None
    return (1 - good) / (1 - objective)


def silent_corruption(cohort: Cohort) -> Result:
    success = int((cohort.calls["client_outcome"] == "ok").sum())
    return ratio(int((cohort.calls["outcome"] == "corrupt").sum()), success)


def own_model_answers(cohort: Cohort) -> Result:
    """Absent where no call was answered so."""
    if not cohort.judged.calls["own_model"].any():
        return ABSENT
    return ratio(int(cohort.calls["own_model"].sum()), len(cohort.calls))


def deadline_overruns(cohort: Cohort) -> Result:
    if not cohort.judged.calls["wait_budget_s"].notna().any():
        return ABSENT
    over = cohort.calls["wait_s"] - cohort.calls["wait_budget_s"]
    may_yet = (cohort.calls["outcome"] == "unfinished") & (over <= OVERRUN_S)
    return Figure(int((over > OVERRUN_S).sum()), censored=bool(may_yet.any()))


def held_by_pool(cohort: Cohort) -> Result:
    """Waits for a connection of the client's own pool, be they in vain or not."""
    attempts = cohort.attempts
    if not len(attempts) or "pool_wait_s" not in attempts:
        return ratio(0, len(cohort.calls))
    waited = attempts["pool_wait_s"].to_numpy(dtype=float)
    held = np.zeros(len(cohort.judged.calls))
    np.add.at(held, attempts["call"].to_numpy(), np.nan_to_num(waited))
    return _held(cohort, held[cohort.calls.index.to_numpy()])


def held_by_limiter(cohort: Cohort) -> Result:
    """Waits for a turn at the client's own limiter, and calls that it, or a breaker, refused at once."""
    calls = cohort.calls
    shed = (calls["outcome"] == "shed").to_numpy()
    waited = calls["limiter_wait_s"].to_numpy(dtype=float) if "limiter_wait_s" in calls else 0.0
    return _held(cohort, np.where(shed, np.inf, np.nan_to_num(waited)))


def held_by_workers(cohort: Cohort) -> Result:
    """Waits for a free worker of the instance (`load.concurrency`), also of calls that were never started."""
    calls = cohort.calls
    limited = (calls["lateness_cause"] == "client_limit").to_numpy()
    waited = (calls["started_s"].fillna(calls["ended_s"]) - calls["intended_s"]).to_numpy(dtype=float)
    return _held(cohort, np.where(limited, np.nan_to_num(waited), 0.0))


def _held(cohort: Cohort, held_s: Floats) -> Result:
    """Share of the calls that were not good and for which this was more than half of the wait."""
    wait = cohort.calls["wait_s"].to_numpy(dtype=float)
    mostly = (held_s > HALF * wait) & (held_s > 0) & ~cohort.calls["good"].to_numpy(dtype=bool)
    return ratio(int(mostly.sum()), len(cohort.calls))
