"""Requests that were lost with a kept connection which the server had already given up."""

from __future__ import annotations

import numpy as np

from windtunnel.reports.findings.finding import ClientFinding, Seen

MUCH = 0.002
"""The share of attempts from which on it is more than chance; the floor of the metric."""


def stale_connections(seen: Seen) -> ClientFinding | None:
    """The keep-alive race: the client keeps idle connections for longer than the server or a middlebox does."""
    share = seen.number("stale_connections") or 0.0
    if share < MUCH:
        return None
    attempts = seen.cohort.attempts
    count = max(1, round(share * len(attempts)))
    lost = attempts["error_type"].notna() & attempts["connected_s"].isna() & attempts["connect_s"].isna()
    lost &= attempts["headers_s"].isna() & attempts["sent_s"].notna()
    kept = seen.setting("pool.expiry")
    how_long = "without a limit" if kept is None else f"for {kept}"
    return ClientFinding(
        rule="stale_connections",
        severity=2,
        sentence=f"The keep-alive race lost {count:,} of {len(attempts):,} attempts: they were sent on kept "
        f"connections that the server, or something on the way, had already ended. "
        f"The client keeps idle ones {how_long}.",
        count=count,
        of=len(attempts),
        calls=seen.ids(attempts["call"].to_numpy()[np.flatnonzero(lost.to_numpy())]),
        cure="Keep idle connections for less time than the server, a proxy or a firewall on the way does; and retry "
        "what was lost with one.",
        key="pool.expiry",
    )
