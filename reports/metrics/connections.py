"""Metrics of connections, as the server saw them."""

from __future__ import annotations

import numpy as np

from windtunnel.reports.metrics.cohort import ABSENT, Cohort, Result, ratio
from windtunnel.reports.metrics.figure import Figure

UNSEEN = "the client's connection pools could not be looked into"


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
    return _in_pools(cohort, "leaked")


def connections_idle(cohort: Cohort) -> Result:
    return _in_pools(cohort, "idle")


def _in_pools(cohort: Cohort, what: str) -> Result:
    """What the load processes found in the pools of their clients. The server cannot tell a leak from a reserve."""
    pools = cohort.judged.cell.pools
    if not pools:
        return Figure(None, reason=UNSEEN)
    counted = sum(int(found[what]) for found in pools)
    if what != "leaked":
        return counted
    return max(counted, sum(int(found.get("sampled") or 0) for found in pools))  # of a soak
