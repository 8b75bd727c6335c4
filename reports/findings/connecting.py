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
GOOD = 200
EARLY = 0.5
"""Share of the good answers that were not read to their end."""
CAN_HTTP2 = ("openai", "openai-async", "httpx2", "httpx2-async")
"""Drivers for which a profile may say `http: 2`."""


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
    key, setting, cure = _cure(seen)
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
        setting=setting,
    )


def _cure(seen: Seen) -> tuple[str | None, str, str]:
    """What lets connections go: a setting (None: none), what to write there, and the same in words."""
    if _leaves_early(seen):
        cure = (
            "It leaves answers before their end, as openai's blocking client does with a stream at [DONE]: over "
            "HTTP/1.1 such a connection cannot be used again. Read to the end, or use the async client, or HTTP/2."
        )
        return ("http", "2", cure) if seen.setting("driver") in CAN_HTTP2 else (None, "", cure)
    if seen.setting("driver") in ("python", "exec"):
        return None, "", "Make one client for the whole process and use it for every call."
    most, kept = seen.setting("pool.connections"), seen.setting("pool.keepalive")
    at_once = seen.number("connections_peak")
    if kept is not None and (most is None or kept < most) and (at_once is None or kept < at_once):
        cure = f"It keeps {kept} idle connections at most: let it keep as many as it opens at once."
        return "pool.keepalive", "" if most is None else str(most), cure
    cure = "Keep idle connections for longer than the pauses between calls, and for less time than the server does."
    return "pool.expiry", "", cure


def _leaves_early(seen: Seen) -> bool:
    """Whether half of the good answers or more were not read to their end."""
    attempts = seen.cohort.attempts[["status", "error_type", "body_complete"]]
    answered = attempts[((attempts["status"] == GOOD) & attempts["error_type"].isna()).to_numpy()]
    return len(answered) > 0 and float(answered["body_complete"].mean()) <= 1 - EARLY
