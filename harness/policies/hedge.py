"""Hedging: a second request when the first one is slower than most, and whichever has content first is the answer.

A hedge costs tokens that nobody reads, so there is a cap on their share. What is slow because everybody waits is not
made faster by asking twice: then the quantile grows with the waits, and few hedges are sent.
"""

from __future__ import annotations

from windtunnel.harness.inputs.policies import Hedge
from windtunnel.harness.policies.deadline import RecentTimes
from windtunnel.harness.policies.policy import LOCAL, CallState, Policy, TryState

EARLY_S = 0.001
"""A timer may ring this much before its time."""


class HedgePolicy(Policy):
    """The instance's hedges. `other` is the target that they go to; None: that of the try beside which they begin."""

    name = "hedge"
    counts_tokens = True

    def __init__(self, settings: Hedge, other: str | None) -> None:
        self._settings = settings
        self._other = other
        self._times = RecentTimes()
        self.asked = 0.0
        self.extra = 0.0

    def begins(self, call: CallState, one: TryState, now: float) -> None:
        if one.hedge:
            self.extra += _tokens(call)
        elif one.number == 0:
            self.asked += _tokens(call)

    def content(self, call: CallState, one: TryState, now: float) -> None:
        if one.target != LOCAL and not one.shadow:
            self._times.add(now - one.began_at)

    def wake_at(self, call: CallState, now: float) -> float | None:
        one = _only_one_under_way(call)
        if one is None or self._times.count < self._settings.after or call.own.get(self) == one.number:
            return None
        return one.began_at + self._times.quantile(self._settings.quantile)

    def wake(self, call: CallState, now: float) -> str | None:
        one, at = _only_one_under_way(call), self.wake_at(call, now)
        if one is None or at is None or now < at - EARLY_S:
            return None
        call.own[self] = one.number  # it is decided, whatever the decision is
        # A share of a sum of tenths is what it says, whatever binary fractions make of it.
        if self.extra + _tokens(call) > self._settings.extra_tokens * self.asked + 1e-9:
            return None
        return one.target if self._other is None else self._other

    def says(self, call: CallState, now: float) -> str:
        share = self.extra / self.asked if self.asked else 0.0
        return f"hedges {share:.1%} of tokens"


def _tokens(call: CallState) -> float:
    return max(1.0, call.tokens)


def _only_one_under_way(call: CallState) -> TryState | None:
    """The try that may be hedged: the only one that runs, without content so far."""
    running = [one for one in call.tries if one.ended_at is None and not one.shadow]
    if (
        len(running) != 1
        or running[0].hedge
        or running[0].content_at is not None
        or running[0].target == LOCAL
    ):
        return None
    return running[0]
