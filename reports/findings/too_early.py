"""Timeouts that ended attempts which were about to be answered."""

from __future__ import annotations

from windtunnel.reports.findings.finding import ClientFinding, Seen, attempts_of
from windtunnel.reports.metrics.cohort import Absent
from windtunnel.reports.metrics.false_timeouts import given_up_too_early

LEAST = 5
LEAST_SHARE = 0.02


def too_early(seen: Seen) -> ClientFinding | None:
    """The answer would have begun, or gone on, within a user's patience."""
    found = seen.cohort.once(given_up_too_early)
    attempts = len(seen.cohort.served)
    if isinstance(found, Absent) or len(found) < max(LEAST, LEAST_SHARE * attempts):
        return None
    by_sdk = seen.setting("sdk.timeout") is not None
    key = "sdk.timeout" if by_sdk else "timeouts.read"
    now = seen.setting(key)
    limit = f" The limit is {now}." if isinstance(now, str) else ""
    calls = found["call"].to_numpy()
    again = ", and the retry waited in the queue anew" if (attempts_of(seen)[calls] > 1).any() else ""
    return ClientFinding(
        rule="too_early",
        severity=2,
        sentence=f"Gave up {len(found):,} of {attempts:,} attempts whose answer would have come in time.{limit} "
        f"The provider had worked for nothing{again}.",
        count=len(found),
        of=attempts,
        calls=seen.ids(calls),
        cure="Wait for the first content as long as a slow provider needs, and limit the whole call instead "
        "(`timeouts.total`).",
        key=key,
        setting=f"{max(1, round(seen.patience_s))}s" if seen.patience_s < 1e6 else "60s",
    )
