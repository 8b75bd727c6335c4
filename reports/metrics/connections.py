"""Metrics of connections, as the server saw them."""

from __future__ import annotations

import numpy as np

from windtunnel.reports.metrics.cohort import ABSENT, Cohort, Result, ratio

LEAK_AFTER_S = 2.0
"""A connection that is still open this long after the last call ended is leaked."""


def connection_churn(cohort: Cohort) -> Result:
    return ratio(int((cohort.served["connection_request_n"] == 0).sum()), len(cohort.served))


def connections_peak(cohort: Cohort) -> Result:
    connections = cohort.judged.cell.connections
    if connections is None:
        return ABSENT
    cell = cohort.judged.cell
    opened = np.sort(connections["opened_s"].to_numpy())
    closed = np.sort(connections["closed_s"].dropna().to_numpy())
    at = np.append(opened[(opened >= cell.start_s) & (opened < cell.end_s)], cell.start_s)
    begun = np.searchsorted(opened, at, side="right")
    return int((begun - np.searchsorted(closed, at, side="right")).max())


def connections_leaked(cohort: Cohort) -> Result:
    connections = cohort.judged.cell.connections
    if connections is None:
        return ABSENT
    last = cohort.judged.cell.calls["ended_s"].max()
    if np.isnan(last):
        return None
    at = last + LEAK_AFTER_S
    still = connections["closed_s"].isna() | (connections["closed_s"] > at)
    return int((still & (connections["opened_s"] <= at)).sum())
