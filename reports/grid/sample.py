"""What is kept of a cell for the grid: the metric in stretches of time, and where the time of its attempts went.

Stretches are batch means (Law, "Simulation Modeling and Analysis", section 9.5.3): what is in one is hardly told by
what is in the one before, as long as a stretch is much longer than a call. All cells have the same calls, so stretches
pair: what one stretch had more of than another, such as long answers, cancels out of the difference of two cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.figures.model import CellFigures
from windtunnel.reports.grid.model import CellSample
from windtunnel.reports.metrics.cohort import Cohort, cohort_of, window_of
from windtunnel.reports.metrics.figure import Figure
from windtunnel.reports.metrics.table import COMPUTE
from windtunnel.reports.metrics.timing import around_p95, mean_parts, time_parts
from windtunnel.reports.read.outcomes import Judged

MOST_STRETCHES: Final = 12
"""As many as are needed: 12 pairs can have a p-value of 2 / 2^12, enough for a family of a hundred."""
LEAST_CALLS: Final = 20
"""In a stretch; a 95th percentile of fewer is hardly one."""


def grid_metric(scenario: Mapping[str, Any]) -> str:
    """The figure that cells are compared by."""
    named = (scenario.get("grid") or {}).get("metric")
    if named:
        return str(named)
    return "ttft_p95_s" if scenario["load"].get("stream") else "wait_p95_s"


def sample(judged: Judged, figures: CellFigures, scenario: Mapping[str, Any]) -> CellSample:
    """What the grid keeps of a judged cell."""
    cohort = cohort_of(judged, scenario)
    calls = time_parts(judged)
    return CellSample(
        stretches=tuple(_stretches(judged, scenario, len(cohort.calls))),
        parts=_parts(cohort),
        opened=figures.number("connection_churn"),
        opening_s=tuple(_openings(judged)),
        connections=int(cohort.served["connection_id"].nunique()),
        call_parts=mean_parts(calls),
        slow_call_parts=mean_parts(around_p95(calls)),
    )


def _stretches(judged: Judged, scenario: Mapping[str, Any], calls: int) -> list[float]:
    """The metric in stretches of equal length; none of a metric that is of a whole run alone, or of too few calls."""
    metric = grid_metric(scenario)
    count = min(MOST_STRETCHES, calls // LEAST_CALLS)
    if count < 2 or METRICS[metric].scope != "phase":
        return []
    start, end = judged.cell.start_s, judged.cell.end_s
    edges = np.linspace(start, end, count + 1)
    found = []
    for left, right in pairwise(edges):
        value = COMPUTE[metric](window_of(judged, scenario, float(left), float(right)))
        value = value.value if isinstance(value, Figure) else value
        found.append(float(value) if isinstance(value, int | float) else float("nan"))
    return found


def _parts(cohort: Cohort) -> dict[str, float]:
    """The mean of each part of an attempt's time, over all attempts; a part that an attempt did not have is 0."""
    attempts = cohort.attempts
    if attempts.empty:
        return {}

    def column(name: str) -> pd.Series[float]:
        return attempts[name].astype(float)

    opening = sum((column(name).fillna(0.0) for name in ("dns_s", "connect_s", "tls_s")), start=0.0)
    return {
        "pool": float(column("pool_wait_s").fillna(0.0).mean()),
        "opening": float(np.mean(opening)),
        "headers": float((column("headers_s") - column("sent_s")).clip(lower=0).fillna(0.0).mean()),
        "body": float((column("ended_s") - column("headers_s")).clip(lower=0).fillna(0.0).mean()),
    }


def _openings(judged: Judged) -> list[float]:
    """How long each connection took to open, in seconds; of one that never opened, how long was tried.

    Those of warm-up and tail count: most connections are opened by the first calls.
    """
    opening = judged.cell.attempts[["connect_s", "tls_s"]].astype(float)
    took: list[float] = opening[opening.notna().any(axis=1)].sum(axis=1).tolist()
    return took
