"""Two layers of retries, one inside of the other."""

from __future__ import annotations

import numpy as np

from windtunnel.reports.findings.finding import ClientFinding, Seen, attempts_of

LEAST = 3


def stacked(seen: Seen) -> ClientFinding | None:
    """The SDK's own retry counter began anew within a call: something around it calls the SDK again."""
    served = seen.cohort.served
    if not len(served):
        return None
    rows = served[["call", "step", "arrived_s", "sdk_retry_count"]]
    rows = rows[rows["sdk_retry_count"].notna()].sort_values("arrived_s", kind="stable")
    within = rows.groupby(["call", "step"], dropna=False, sort=False)["sdk_retry_count"]
    begins = (rows["sdk_retry_count"] == 0) & (within.shift(1) > 0)
    calls = rows["call"][begins].unique()
    if len(calls) < LEAST:
        return None
    made = attempts_of(seen)
    calls = calls[np.argsort(-made[calls], kind="stable")]
    theirs = rows[rows["call"] == calls[0]]
    outer = int((theirs["sdk_retry_count"] == 0).sum())
    inner = int(rows["sdk_retry_count"].max())
    return ClientFinding(
        rule="stacked",
        severity=2,
        sentence=f"Up to {int(made[calls[0]])} attempts per call: two retry layers are stacked. The SDK's own {inner} "
        f"retries ran inside of {outer} tries around it; so in {len(calls):,} calls.",
        count=len(calls),
        of=seen.calls,
        calls=seen.ids(calls),
        cure="Retry in one place. Switch the SDK's own retries off where something around it retries.",
        key="sdk.max_retries",
        setting="0",
    )
