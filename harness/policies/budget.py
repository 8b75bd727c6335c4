"""A retry budget: retries are paid for, and one that cannot be paid is not made. One an instance.

`ratio` is Finagle's and gRPC's idea (every call deposits a share of a retry), `bucket` botocore's (every
first-try success gives a little back, a retry costs much more).
"""

from __future__ import annotations

from windtunnel.harness.inputs.profile import Budget


class RetryBudget:
    """The state of one budget: a level between 0 and its cap."""

    __slots__ = ("_settings", "level")

    def __init__(self, settings: Budget) -> None:
        self._settings = settings
        self.level = settings.start

    def call_began(self) -> None:
        """A call was made; a ratio budget grows by its deposit."""
        if self._settings.kind == "ratio":
            self._deposit()

    def first_try_succeeded(self) -> None:
        """A call succeeded without any retry; a bucket grows by its deposit."""
        if self._settings.kind == "bucket":
            self._deposit()

    def pay(self, *, throttled: bool) -> bool:
        """Take the price of a retry. False, and nothing taken, if the level is below it."""
        price = self._settings.cost
        if throttled and self._settings.throttle_cost is not None:
            price = self._settings.throttle_cost
        # Ten deposits of 0.1 must pay a price of 1, whatever binary fractions make of their sum.
        if self.level < price - 1e-9:
            return False
        self.level = max(0.0, self.level - price)
        return True

    def _deposit(self) -> None:
        self.level = min(self._settings.cap, self.level + self._settings.deposit)
