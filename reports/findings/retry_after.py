"""Promises of Retry-After that a client did not wait for."""

from __future__ import annotations

from windtunnel.reports.findings.finding import ClientFinding, Seen, seconds, share
from windtunnel.reports.metrics.attempts import promises_followed

LEAST_SHARE = 0.05
LEAST = 3


def retry_after(seen: Seen) -> ClientFinding | None:
    """It came back before the time that a refusal had named."""
    promises = promises_followed(seen.cohort)
    broken = promises[promises["broken"]].sort_values("after_s", kind="stable")
    if len(broken) < LEAST or len(broken) < LEAST_SHARE * len(promises):
        return None
    worst = broken.iloc[0]
    inside = seen.setting("retries.kind") in (None, "none")
    where = (
        "Make the retries around the driver (`sdk.max_retries: 0`): the SDK ignores a promise that it finds too long."
        if inside
        else "Wait as long as the server says."
    )
    return ClientFinding(
        rule="retry_after",
        severity=2,
        sentence=f"Ignored Retry-After in {share(len(broken), len(promises))} promises: it came back after "
        f"{seconds(worst['after_s'])} where {seconds(worst['promised_s'])} were promised.",
        count=len(broken),
        of=len(promises),
        calls=seen.ids(broken["call"].to_numpy()),
        cure=where,
        key="retries.respect_retry_after",
        setting="true",
    )
