"""Metrics of calls: how many, how many good, and what came broken."""

from __future__ import annotations

from windtunnel.reports.metrics.cohort import ABSENT, Cohort, Result, ratio
from windtunnel.reports.metrics.figure import Figure

OVERRUN_S = 0.25
"""How much longer than its declared deadline a call may take before it counts as an overrun."""

DEFAULT_OBJECTIVE = 0.99


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


def deadline_overruns(cohort: Cohort) -> Result:
    if not cohort.judged.calls["wait_budget_s"].notna().any():
        return ABSENT
    over = cohort.calls["wait_s"] - cohort.calls["wait_budget_s"]
    may_yet = (cohort.calls["outcome"] == "unfinished") & (over <= OVERRUN_S)
    return Figure(int((over > OVERRUN_S).sum()), censored=bool(may_yet.any()))
