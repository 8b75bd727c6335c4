"""Time that went into new connections where kept ones would have been there."""

from __future__ import annotations

import numpy as np

from windtunnel.reports.findings.finding import ClientFinding, Seen, seconds
from windtunnel.reports.metrics.timing import connecting_s, that_connect

MUCH = 0.1
"""The share of all waits from which on it is worth a change."""
OFTEN = 0.2
"""New connections for each attempt; every client has to open its first ones."""
LEAST = 20


def connecting(seen: Seen) -> ClientFinding | None:
    """A tenth of all waits or more was connecting, by a client that opens a connection for every fifth attempt."""
    attempts = seen.cohort.attempts
    new = that_connect(attempts)
    new = new.part(new["sent_s"].notna().to_numpy())
    opened, waited = len(new), float(seen.cohort.calls["wait_s"].sum())
    if opened < max(LEAST, OFTEN * len(attempts)) or not waited:
        return None
    took = connecting_s(new)
    percent = 100 * float(took.sum()) / waited
    if percent < 100 * MUCH:
        return None
    calls = new["call"].to_numpy()
    slowest = np.argsort(-took, kind="stable")
    key, cure = _cure(seen)
    return ClientFinding(
        rule="connecting",
        severity=1,
        sentence=f"{percent:.0f} % of the time that its calls waited was connecting: {opened:,} new connections for "
        f"{len(attempts):,} attempts, {seconds(float(np.median(took)))} each (median). Keep connections.",
        count=opened,
        of=len(attempts),
        calls=seen.ids(calls[slowest]),
        cure=cure,
        key=key,
    )


def _cure(seen: Seen) -> tuple[str | None, str]:
    """The setting that lets connections go, and what to do about it."""
    if seen.setting("driver") in ("python", "exec"):
        return (
            None,
            "Make one client for the whole process and use it for every call; each new one connects again.",
        )
    most, kept = seen.setting("pool.connections"), seen.setting("pool.keepalive")
    if kept is not None and (most is None or kept < most):
        return (
            "pool.keepalive",
            f"It keeps {kept} idle connections at most: let it keep as many as it opens at once.",
        )
    return (
        "pool.expiry",
        "Keep idle connections for longer than the pauses between calls, and for less time than the server does.",
    )
