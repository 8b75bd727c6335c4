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
    cure, key, setting = _cure(seen)
    return ClientFinding(
        rule="retry_after",
        severity=2,
        sentence=f"Ignored Retry-After in {share(len(broken), len(promises))} promises: it came back after "
        f"{seconds(worst['after_s'])} where {seconds(worst['promised_s'])} were promised.",
        count=len(broken),
        of=len(promises),
        calls=seen.ids(broken["call"].to_numpy()),
        cure=cure,
        key=key,
        setting=setting,
    )


def _cure(seen: Seen) -> tuple[str, str, str]:
    """What to do, and the setting that does it: by who makes the retries."""
    if seen.setting("retries.kind") not in (None, "none"):
        return "Wait as long as the server says.", "retries.respect_retry_after", "true"
    around = "{kind: exponential, tries: 3, base: 500ms, cap: 8s, jitter: full, respect_retry_after: true}"
    if seen.setting("driver") == "exec":
        return "Switch the program's own retries off, and make them around it.", "retries", around
    return (
        "Make the retries around the driver (`sdk.max_retries: 0`): the SDK does not wait.",
        "retries",
        around,
    )
