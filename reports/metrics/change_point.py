"""The change point of a course of calls: from when on are they as good as before the incident?

Until t the goodput is clearly worse than before the incident, from t on it is what it was. The t that makes the
observed course most likely is chosen, so that background failures neither hide a recovery nor feign one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from windtunnel.reports.read.outcomes import Bools, Floats

WORSE: Final = 0.8
"""Before the change point the goodput is at most this share of what it was."""
GAIN_NATS: Final = 4.6
"""Another instant than the end of the fault must make the course so much more likely: a hundred times."""
FOLLOW_S: Final = 15.0
FOLLOW_CALLS: Final = 20
AS_GOOD: Final = 0.9
NOT_BELOW: Final = 0.95
SIGNIFICANCE: Final = 0.01


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """`at_s`: the instant; `calls` follow it, and `good` of them are good."""

    at_s: float
    calls: int
    good: int

    def is_recovery(self, before: float) -> bool:
        """Whether the goodput that follows is that of `before`: close to it, and not surely below it."""
        if self.good / self.calls < AS_GOOD * before:
            return False
        return binomial_cdf(self.good, self.calls, NOT_BELOW * before) >= SIGNIFICANCE


def change_point(
    intended_s: Floats, good: Bools, before: float, start_s: float, end_s: float
) -> ChangePoint | None:
    """The most likely change point of the calls intended in [start_s, end_s), in order; None if too little follows.

    Candidates are the start, and the instants after each failed call. `before` is the goodput, between 0 and 1, to
    which the calls come back.
    """
    count = len(good)
    if count < FOLLOW_CALLS or end_s - start_s < FOLLOW_S - 1e-9:
        return None
    failed = np.flatnonzero(~good)
    cut = np.concatenate([[0], failed + 1])  # so many calls come before each candidate
    at = np.concatenate([[start_s], intended_s[failed]])
    allowed = (count - cut >= FOLLOW_CALLS) & (end_s - at >= FOLLOW_S - 1e-9)
    cut, at = cut[allowed], at[allowed]
    good_until = np.concatenate([[0], np.cumsum(good)])
    good_before = good_until[cut]
    good_after, after = good_until[-1] - good_before, count - cut
    worse = np.minimum(good_before / np.maximum(cut, 1), WORSE * before)
    likelihood = _log_likelihood(good_before, cut, worse) + _log_likelihood(good_after, after, before)
    best = int(np.argmax(likelihood))
    if likelihood[best] - likelihood[0] <= GAIN_NATS:
        best = 0
    return ChangePoint(float(at[best]), int(after[best]), int(good_after[best]))


def _log_likelihood(good: Floats, calls: Floats, share: Floats | float) -> Floats:
    """Of `good` of `calls` where each is good with the chance `share`; 0 · log 0 is 0."""
    bad = calls - good
    lost = np.where(bad > 0, bad * np.log(np.maximum(1.0 - np.asarray(share), 1e-300)), 0.0)
    won = np.where(good > 0, good * np.log(np.maximum(share, 1e-300)), 0.0)
    return np.asarray(won + lost, dtype=np.float64)


def binomial_cdf(most: int, count: int, share: float) -> float:
    """The chance of at most `most` successes in `count` trials, exact."""
    if share >= 1.0:
        return 1.0 if most >= count else 0.0
    successes = np.arange(most + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])
    terms = logs[count] - logs[successes] - logs[count - successes]
    terms = terms + successes * math.log(share) + (count - successes) * math.log1p(-share)
    top = float(terms.max())
    return min(1.0, math.exp(top) * float(np.exp(terms - top).sum()))
