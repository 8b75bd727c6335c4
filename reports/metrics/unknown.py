"""What is not known is not zero: figures that calls without a known outcome could change are null.

An answer that cannot be compared with the server's truth is `unknown`: its served row is lost, or no request could be
matched to the call.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from windtunnel.reports.metrics.cohort import ABSENT, Cohort, Result
from windtunnel.reports.metrics.figure import Figure

Compute = Callable[[Cohort], Result]


def over_known_outcomes(compute: Compute) -> Compute:
    """The metric, null where a call's outcome is not known, or requests could not be matched to calls."""

    def known(cohort: Cohort) -> Result:
        return _or_null(compute(cohort), cohort, cohort.calls["outcome"] == "unknown")

    return known


def over_known_good(compute: Compute) -> Compute:
    """The same for what good calls alone decide: a call that ended too late is not good, whatever it was."""

    def known(cohort: Cohort) -> Result:
        return _or_null(compute(cohort), cohort, may_be_good(cohort), requests=False)

    return known


def may_be_good(cohort: Cohort) -> pd.Series[bool]:
    """Which of the cohort's calls are good or not, and nobody knows."""
    calls = cohort.calls
    in_time = ~(calls["ended_s"] - calls["intended_s"] > cohort.judged.cell.deadline_s)
    return (calls["outcome"] == "unknown") & in_time


def _or_null(found: Result, cohort: Cohort, unknown: pd.Series[bool], *, requests: bool = True) -> Result:
    if found is ABSENT:
        return ABSENT
    count = int(unknown.sum())
    if count:
        return Figure(None, reason=f"the outcome of {count:,} of {len(unknown):,} calls is not known")
    lost = cohort.once(unmatched) if requests else 0
    return Figure(None, reason=f"{lost:,} requests could not be matched to calls") if lost else found


def unmatched(cohort: Cohort) -> int:
    """How many requests of the time of the cohort belong to no call of the schedule, its warm-up and tail included."""
    cell, served = cohort.judged.cell, cohort.judged.served
    inside = served[(served["call"] < 0) & (served["arrived_s"] >= cohort.start_s)]
    inside = inside[inside["arrived_s"] < max(cohort.end_s, cohort.start_s)]
    if inside.empty:
        return 0
    return int((~inside["call_id"].isin(cell.schedule["call_id"])).sum())
