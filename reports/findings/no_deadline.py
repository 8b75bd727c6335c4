"""Calls that went on long after their user had left."""

from __future__ import annotations

import math

from windtunnel.reports.findings.finding import ClientFinding, Seen, seconds

LONG = 2.0
LEAST_SHARE = 0.01


def no_deadline(seen: Seen) -> ClientFinding | None:
    """Users were kept waiting for more than twice their patience."""
    if not math.isfinite(seen.patience_s):
        return None
    calls = seen.cohort.calls
    over = calls[calls["wait_s"] > LONG * seen.patience_s].sort_values(
        "wait_s", ascending=False, kind="stable"
    )
    if over.empty or len(over) < LEAST_SHARE * seen.calls:
        return None
    longest = over.iloc[0]
    bound = "at least " if longest["outcome"] == "unfinished" else ""
    total = seen.setting("timeouts.total")
    return ClientFinding(
        rule="no_deadline",
        severity=2,
        sentence=f"{len(over):,} of {seen.calls:,} calls went on for more than twice the "
        f"{seconds(seen.patience_s)} that a user waits, the longest for {bound}{seconds(longest['wait_s'])}: "
        + ("no limit for the whole call." if total is None else f"the limit for the whole call is {total}."),
        count=len(over),
        of=seen.calls,
        calls=seen.ids(over.index.to_numpy()),
        cure="Limit the whole call, all attempts and waits included.",
        key="timeouts.total",
        setting=f"{seen.patience_s:g}s",
    )
