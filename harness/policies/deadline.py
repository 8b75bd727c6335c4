"""What a client allows a whole call, and whether another try would still fit into it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from windtunnel.harness.policies.policy import CallState, No, Policy, TryState

REMEMBERED = 101
"""Successful tries whose median an instance knows; odd, so that the median is one of them."""


class RecentTimes:
    """An instance's last measured times, in seconds."""

    __slots__ = ("_order", "_sorted")

    def __init__(self) -> None:
        self._order: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        """Take another one."""
        if len(self._order) == REMEMBERED:
            oldest = self._order.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]
        self._order.append(seconds)
        insort(self._sorted, seconds)

    @property
    def count(self) -> int:
        """How many it has."""
        return len(self._sorted)

    @property
    def median(self) -> float:
        """The median; 0 until there is one."""
        return self.quantile(0.5)

    def quantile(self, share: float) -> float:
        """The time that this share of them is not above; 0 until there is one."""
        at = int(len(self._sorted) * share)
        return self._sorted[min(at, len(self._sorted) - 1)] if self._sorted else 0.0


def fits(now: float, wait_s: float, median_s: float, ends_at: float | None) -> bool:
    """Whether a try that begins after `wait_s` and lasts `median_s` would end by `ends_at` (None: no deadline)."""
    return ends_at is None or now + wait_s + median_s <= ends_at


class DeadlinePolicy(Policy):
    """The call's deadline over all of its tries. It also knows how long tries take that succeed."""

    name = "deadline"

    def __init__(self, total_s: float | None) -> None:
        self._total_s = total_s
        self._times = RecentTimes()

    def may_wait(self, call: CallState, seconds: float, now: float) -> No | None:
        ends_at = None if self._total_s is None else call.began_at + self._total_s
        if fits(now, seconds, self._times.median, ends_at):
            return None
        return No("shed" if call.failure is None else "deadline")

    def after(self, call: CallState, one: TryState, now: float) -> float | None:
        if one.failure is None:
            self._times.add(now - one.began_at)
        return None

    def says(self, call: CallState, now: float) -> str:
        return "" if self._total_s is None else f"recent median {self._times.median:.3f} s"
