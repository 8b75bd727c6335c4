"""Stalled answers that a client went on waiting for."""

from __future__ import annotations

import math

from windtunnel.reports.findings.finding import ClientFinding, Seen, seconds
from windtunnel.reports.metrics.times import silences

WITHOUT_PATIENCE_S = 30.0
"""What is long where the scenario says nothing of its users' patience."""


def silence(seen: Seen) -> ClientFinding | None:
    """A stream fell silent, or never began, and held its worker for longer than a user waits."""
    found = silences(seen.cohort)
    patience = seen.patience_s if math.isfinite(seen.patience_s) else WITHOUT_PATIENCE_S
    long = found[found["silent_s"] > patience].sort_values("silent_s", ascending=False, kind="stable")
    if long.empty:
        return None
    after_content = long["last_content_s"].notna()
    between = int(after_content.sum()) * 2 >= len(long)
    shown = long[after_content] if between else long[~after_content]
    worst = shown.iloc[0]
    bound = "at least " if bool(worst["cut"]) else ""
    what, key = (
        ("no between-content timeout", "timeouts.between_contents")
        if between
        else ("no first-content timeout", "timeouts.first_content")
    )
    has = seen.setting(key) is not None
    why = "its timeout is longer than a user waits" if has else what
    subject = "A stalled answer" if between else "An answer that did not begin"
    return ClientFinding(
        rule="silence",
        severity=2,
        sentence=f"{subject} held a worker for {bound}{seconds(worst['silent_s'])}: {why}. So it was for longer than "
        f"{seconds(patience)} in {len(long):,} of {len(found):,} attempts that met silence and were given up.",
        count=len(long),
        of=len(found),
        calls=seen.ids(shown["call"].to_numpy()),
        cure="Give up an answer that stays silent; comments and empty deltas must not count as life.",
        key=key,
        setting=f"{max(1, round(patience / 2))}s",
    )
