"""Metrics of connections: what the server saw of them, and what getting and losing one cost the client."""

from __future__ import annotations

import numpy as np

from windtunnel.reports.metrics.cohort import ABSENT, Absent, Cohort, Result, ratio
from windtunnel.reports.metrics.figure import Figure
from windtunnel.reports.metrics.times import Samples
from windtunnel.reports.read.outcomes import Floats

UNSHOWN = "no attempt of this client shows how it connected"
BROKEN = "Protocol|Disconnect|ReadError|WriteError|Reset|BrokenPipe|ClientOS|ConnectionError"
"""In the names of exceptions that libraries raise for a connection that ended or was reset, timeouts not among them."""

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


def pool_wait(cohort: Cohort) -> Samples | Absent:
    """Waits of attempts for a connection of the client's own pool; one in vain lasted until it was given up."""
    attempts = cohort.attempts
    if not len(attempts) or "pool_wait_s" not in attempts:
        return ABSENT
    waited = attempts["pool_wait_s"]
    return ABSENT if waited.isna().all() else Samples.of(waited)


def connecting_share(cohort: Cohort) -> Result:
    attempts = cohort.attempts
    if not len(attempts) or "connect_s" not in attempts:
        return ABSENT
    if not _shows_connecting(cohort):
        return Figure(None, reason=UNSHOWN)
    connecting = sum(
        float(np.nan_to_num(_seconds(cohort, f"{part}_s")).sum()) for part in ("dns", "connect", "tls")
    )
    lasted = float(np.nan_to_num(_seconds(cohort, "ended_s") - _seconds(cohort, "started_s")).sum())
    return ratio(connecting, lasted)


def stale_connections(cohort: Cohort) -> Result:
    """At most as many of a call as it has attempts that the server has no record of: a fault may reset as well."""
    attempts = cohort.attempts
    if not len(attempts) or "connect_s" not in attempts:
        return ABSENT
    if not _shows_connecting(cohort):
        return Figure(None, reason=UNSHOWN)
    broke = attempts["error_type"].fillna("").str.contains(BROKEN).to_numpy(dtype=bool)
    sent = ~np.isnan(_seconds(cohort, "sent_s"))
    was_there = np.isnan(_seconds(cohort, "connect_s")) & np.isnan(_seconds(cohort, "connected_s"))
    stale = broke & sent & was_there & np.isnan(_seconds(cohort, "headers_s"))
    calls = len(cohort.judged.calls)
    of_call = np.bincount(attempts["call"].to_numpy()[stale], minlength=calls)
    made = np.bincount(attempts["call"].to_numpy(), minlength=calls)
    arrived = np.bincount(cohort.served["call"].to_numpy(), minlength=calls)
    return ratio(int(np.minimum(of_call, np.maximum(0, made - arrived)).sum()), len(attempts))


def _shows_connecting(cohort: Cohort) -> bool:
    """Whether this client's library tells when it connects: it does so once at least."""
    everywhere = cohort.judged.attempts
    return bool(everywhere["connect_s"].notna().any())


def _seconds(cohort: Cohort, column: str) -> Floats:
    return cohort.attempts[column].to_numpy(dtype=float)


def _in_pools(cohort: Cohort, what: str) -> Result:
    """What the load processes found in the pools of their clients. The server cannot tell a leak from a reserve."""
    pools = cohort.judged.cell.pools
    if not pools:
        return Figure(None, reason=UNSEEN)
    counted = sum(int(found[what]) for found in pools)
    if what != "leaked":
        return counted
    return max(counted, sum(int(found.get("sampled") or 0) for found in pools))  # of a soak
