"""Retry budgets: retries are paid for, and one that cannot be paid is not made. One an instance.

`ratio` deposits a share of a retry with every call. `bucket` and `aws` are botocore's: a first-try success gives a
little back, a retry costs much more. `grpc` is the throttle of gRPC's proposal A6, where failures cost and successes
give back. `finagle` counts calls and retries within a window.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

from windtunnel.harness.inputs.policies import Budget, Retries
from windtunnel.harness.policies.policy import CallState, No, Policy, TryState
from windtunnel.harness.policies.retry import retryable

TOLERANCE = 1e-9
"""Ten deposits of 0.1 must pay a price of 1, whatever binary fractions make of their sum."""

SLICES = 10
"""A window is counted in this many slices, as Finagle does: what is forgotten goes a slice at a time."""


class RetryAllowance(Protocol):
    """What a call tells of itself, and asks before a retry. All times on one clock, in seconds."""

    @property
    def level(self) -> float:
        """What is left, in the budget's own unit."""
        ...

    def call_began(self, now: float = 0.0) -> None:
        """A call was made."""
        ...

    def try_failed(self, now: float = 0.0) -> None:
        """A try failed in a way that is retried, whether or not it has a retry left."""
        ...

    def pay(self, *, throttled: bool, now: float = 0.0) -> float | None:
        """Take the price of a retry and return it. None, and nothing taken, if the level does not allow one."""
        ...

    def succeeded(self, paid: float | None, now: float = 0.0) -> None:
        """A call succeeded. `paid` is the price of its last retry, None at its first try."""
        ...


class RetryBudget:
    """`ratio`, `bucket` and `aws`: a level between 0 and its cap."""

    __slots__ = ("_settings", "level")

    def __init__(self, settings: Budget) -> None:
        self._settings = settings
        self.level = settings.start

    def call_began(self, now: float = 0.0) -> None:  # a level does not fade
        """A call was made; a ratio budget grows by its deposit."""
        if self._settings.kind == "ratio":
            self._add(self._settings.deposit)

    def try_failed(self, now: float = 0.0) -> None:
        """Only a retry costs anything here, not a failure."""

    def pay(self, *, throttled: bool, now: float = 0.0) -> float | None:  # a level does not fade
        """Take the price of a retry and return it. None, and nothing taken, if the level is below it."""
        price = self._settings.cost
        if throttled and self._settings.throttle_cost is not None:
            price = self._settings.throttle_cost
        if self.level < price - TOLERANCE:
            return None
        self.level = max(0.0, self.level - price)
        return price

    def succeeded(self, paid: float | None, now: float = 0.0) -> None:  # a level does not fade
        """A bucket grows by its deposit after a first try; AWS's gets the price of a retry back that succeeded."""
        if self._settings.kind == "ratio":
            return
        if paid is None:
            self._add(self._settings.deposit)
        elif self._settings.kind == "aws":
            self._add(paid)

    def first_try_succeeded(self) -> None:
        """A call succeeded without any retry; a bucket grows by its deposit."""
        self.succeeded(None)

    def _add(self, amount: float) -> None:
        self.level = min(self._settings.cap, self.level + amount)


class GrpcThrottle:
    """`grpc`: failures take from the level, successes give a little back; at half of its cap or below: no retries."""

    __slots__ = ("_settings", "level")

    def __init__(self, settings: Budget) -> None:
        self._settings = settings
        self.level = settings.start

    def call_began(self, now: float = 0.0) -> None:
        """Only how a call fares moves the level."""

    def try_failed(self, now: float = 0.0) -> None:  # a level does not fade
        """The failure itself is what costs, also where no retry follows."""
        self.level = max(0.0, self.level - self._settings.cost)

    def pay(self, *, throttled: bool, now: float = 0.0) -> float | None:  # all failures cost the same
        """Return what the failure before this retry took; None at half of the cap or below. Takes nothing more."""
        return self._settings.cost if self.level > self._settings.cap / 2 + TOLERANCE else None

    def succeeded(self, paid: float | None, now: float = 0.0) -> None:  # a retry's success counts as well
        """Every success gives back the same, whichever try it was."""
        self.level = min(self._settings.cap, self.level + self._settings.deposit)

    def first_try_succeeded(self) -> None:
        """A call succeeded without any retry."""
        self.succeeded(None)


class WindowBudget:
    """`finagle`: within the window, retries are at most a share of the calls plus so many a second."""

    __slots__ = ("_calls", "_retries", "_settings", "_slice_s", "_slices")

    def __init__(self, settings: Budget) -> None:
        self._settings = settings
        self._slice_s = (settings.window or 1.0) / SLICES
        self._slices: deque[tuple[int, int, int]] = deque()
        self._calls = self._retries = 0

    @property
    def level(self) -> float:
        """Retries that could be made at the time last asked about."""
        free = (self._settings.per_second or 0.0) * self._slice_s * SLICES
        return free + self._settings.deposit * self._calls - self._settings.cost * self._retries

    def call_began(self, now: float = 0.0) -> None:
        """A call was made: for the window's length it allows its share of a retry."""
        self._count(now, calls=1)

    def try_failed(self, now: float = 0.0) -> None:
        """Only a retry costs anything here, not a failure."""

    def pay(self, *, throttled: bool, now: float = 0.0) -> float | None:  # all retries cost the same
        """Count a retry and return its price. None, and nothing counted, if the window has too many."""
        self._count(now)
        if self.level < self._settings.cost - TOLERANCE:
            return None
        self._count(now, retries=1)
        return self._settings.cost

    def succeeded(self, paid: float | None, now: float = 0.0) -> None:
        """How calls fare does not matter here."""

    def first_try_succeeded(self) -> None:
        """How calls fare does not matter here."""

    def _count(self, now: float, *, calls: int = 0, retries: int = 0) -> None:
        """Forget the slices that have left the window, and add to the present one."""
        here = math.floor(now / self._slice_s)
        while self._slices and self._slices[0][0] <= here - SLICES:
            _, old_calls, old_retries = self._slices.popleft()
            self._calls -= old_calls
            self._retries -= old_retries
        if calls or retries:
            if self._slices and self._slices[-1][0] >= here:
                at, had_calls, had_retries = self._slices.pop()
                self._slices.append((at, had_calls + calls, had_retries + retries))
            else:
                self._slices.append((here, calls, retries))
            self._calls += calls
            self._retries += retries


def budget_of(settings: Budget) -> RetryBudget | GrpcThrottle | WindowBudget:
    """The budget of a profile in its first state."""
    if settings.kind == "grpc":
        return GrpcThrottle(settings)
    if settings.kind == "finagle":
        return WindowBudget(settings)
    return RetryBudget(settings)


class BudgetPolicy(Policy):
    """The instance's retry budget. `retries` says which failures are of the kind that is retried."""

    name = "budget"

    def __init__(self, settings: Budget, retries: Retries) -> None:
        self.budget = budget_of(settings)
        self._retries = retries

    def call_began(self, call: CallState, now: float) -> None:
        self.budget.call_began(now)

    def after(self, call: CallState, one: TryState, now: float) -> float | None:
        if one.failure is None:
            self.budget.succeeded(call.own.get(self), now)
        elif retryable(self._retries, one.failure):
            self.budget.try_failed(now)
        return None

    def may_retry(self, call: CallState, one: TryState, now: float) -> No | None:
        paid = self.budget.pay(throttled=one.failure is not None and one.failure.throttled, now=now)
        if paid is None:
            return No("budget")
        call.own[self] = paid
        return None

    def says(self, call: CallState, now: float) -> str:
        return f"budget {self.budget.level:.2f}"
