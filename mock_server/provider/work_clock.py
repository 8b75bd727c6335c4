"""The work clock: when each token of an answer is due, where the speed may change in mid-answer.

All answers of a region are written at the same rate r(t), tokens a second. So one clock of work W(t) = ∫ r dt
serves them all: an answer whose first token came at time f has token k at the time when W reaches W(f) + k.
The rate is piecewise constant, so W is piecewise linear and both directions are exact.
"""

from __future__ import annotations

import heapq
import math


class TokenProgress:
    """An answer on the work clock: the time of its first token, and W at that time once that is fixed."""

    __slots__ = ("first_token_at", "origin")

    def __init__(self, first_token_at: float) -> None:
        self.first_token_at = first_token_at
        self.origin = math.nan  # W(first_token_at); not a number until no change of rate can move it


class WorkClock:
    """W(t), with the present rate as its slope from `_at` on."""

    __slots__ = ("_at", "_pending", "_sequence", "_work", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._at: float | None = None  # no work is done before the first answer
        self._work = 0.0
        self._pending: list[tuple[float, int, TokenProgress]] = []
        self._sequence = 0

    def begin(self, first_token_at: float, now: float) -> TokenProgress:
        """Add an answer whose first token comes at `first_token_at`, now or later."""
        self._settle(now)  # keeps `_pending` as short as the list of answers that wait for their first token
        progress = TokenProgress(first_token_at)
        self._sequence += 1  # equal times must not compare the answers
        heapq.heappush(self._pending, (first_token_at, self._sequence, progress))
        return progress

    def change(self, rate: float, now: float) -> None:
        """Change the rate from `now` on. Work done until then counts at the old rate."""
        at = self._settle(now)
        if now > at:
            self._work += (now - at) * self.rate
            self._at = now
        self.rate = rate

    def _settle(self, now: float) -> float:
        """Fix W at every first token that came by `now`, so that later changes of rate do not move it.

        Returns the time from which the present rate holds.
        """
        at = self._at
        if at is None:
            at = self._at = now
        pending = self._pending
        while pending and pending[0][0] <= now:
            progress = heapq.heappop(pending)[2]
            progress.origin = self._work + (progress.first_token_at - at) * self.rate
        return at

    def due(self, progress: TokenProgress, tokens: float) -> float:
        """Return when token number `tokens` is there (0 is the first) if the rate stays as it is."""
        # An origin that is not a number equals nothing: no change of rate has come since the first token.
        if self._at is None or progress.origin != progress.origin:
            return progress.first_token_at + tokens / self.rate
        return self._at + (progress.origin + tokens - self._work) / self.rate

    def generated(self, progress: TokenProgress, now: float) -> float:
        """Return how many tokens came after the first one by `now`; negative before the first."""
        if now < progress.first_token_at:
            return -1.0
        if self._at is None or progress.origin != progress.origin:
            return (now - progress.first_token_at) * self.rate
        return self._work + (now - self._at) * self.rate - progress.origin
