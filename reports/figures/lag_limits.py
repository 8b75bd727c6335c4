"""How late the harness itself may be: what matters is how far its lateness can move a figure that is shown.

A lag of 10 ms spoils a wait of 20 ms and means nothing to one of 2 s, nor to a timeout of 4 s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from windtunnel.reports.read.outcomes import Judged

GOOD_CALLS: Final = 20
"""A phase needs so many good calls for their wait to be what lags are compared with."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A lag may have the greater of `least_s` and a share of the wait, and no more than a share of the timeout."""

    least_s: float
    of_wait: float
    of_timeout: float

    def limit_s(self, wait_s: float | None, timeout_s: float | None) -> float:
        limit = max(self.least_s, self.of_wait * (wait_s or 0.0))
        return limit if timeout_s is None else min(limit, self.of_timeout * timeout_s)


VALID: Final = Tolerance(0.010, 0.01, 0.05)
NOISY: Final = Tolerance(0.025, 0.05, 0.10)


@dataclass(frozen=True, slots=True)
class LagLimits:
    """Up to `valid_s` a lag moves no figure, up to `noisy_s` none by much."""

    valid_s: float
    noisy_s: float

    @classmethod
    def of(cls, judged: Judged) -> LagLimits:
        """The limits for one cell."""
        wait, timeout = typical_wait(judged), shortest_timeout(judged)
        return cls(VALID.limit_s(wait, timeout), NOISY.limit_s(wait, timeout))


def typical_wait(judged: Judged) -> float | None:
    """The median wait of good calls in the phase of highest goodput; None if no phase has 20 of them."""
    calls = judged.calls[judged.calls["judged"]]
    phases = calls.groupby("phase_i")["good"].agg(["mean", "sum"])
    enough = phases[phases["sum"] >= GOOD_CALLS]
    if enough.empty:
        return None
    best = calls[(calls["phase_i"] == enough["mean"].idxmax()) & calls["good"]]
    return float(best["wait_s"].median())


def shortest_timeout(judged: Judged) -> float | None:
    """The shortest timeout that fired, one of the connection pool or a call's own deadline too; None if none did.

    Of an attempt it is the silence before it was given up: since the last content, else since it was sent or begun.
    """
    attempts = judged.attempts[judged.attempts["error_type"].fillna("").str.contains("Timeout")]
    silent_since = attempts[["started_s", "sent_s", "headers_s", "last_content_s"]].max(axis=1)
    calls = judged.calls[judged.calls["client_outcome"].isin(("timeout", "deadline"))]
    whole = pd.concat([attempts["ended_s"] - silent_since, calls["ended_s"] - calls["started_s"]])
    fired = whole[whole > 0]
    return float(fired.min()) if len(fired) else None
