"""The largest number that something still holds, found by doubling and then halving the gap."""

from __future__ import annotations

from dataclasses import dataclass, field

PRECISION = 0.1
FAILURES = 2
"""A number counts as not held when it failed this often: other work on the machine must not decide it."""


@dataclass(slots=True)
class LargestHeld:
    """A bounded search: ask `next` for a number to try, tell `saw` how it went, until `next` is None.

    Upward by doubling from `first`, to `limit` at most; once a number is not held, between the largest that was and
    the smallest that was not, until they are within `PRECISION` of each other. `tries` bounds all of it.
    """

    first: int
    limit: int
    tries: int
    held: int = 0
    """The largest number that was held so far; 0 if none was."""
    failed: int | None = None
    """The smallest number that was not held so far."""
    _failures: dict[int, int] = field(default_factory=dict)

    @property
    def next(self) -> int | None:
        """The number to try now; None when the search has ended."""
        if self.tries <= 0:
            return None
        if self.failed is None:
            number = min(self.limit, 2 * self.held) if self.held else self.first
            return number if number > self.held else None
        if self.failed - self.held <= max(1.0, PRECISION * self.held):
            return None
        return (self.held + self.failed) // 2

    @property
    def bounded(self) -> bool:
        """Whether the search ended because it was to end, not because the number was found."""
        if self.failed is None:
            return True
        return self.failed - self.held > max(1.0, PRECISION * self.held)

    def saw(self, number: int, *, held: bool) -> None:
        """One try of `number`. A failure is believed the second time."""
        self.tries -= 1
        if held:
            self.held = max(self.held, number)
            return
        self._failures[number] = self._failures.get(number, 0) + 1
        if self._failures[number] >= FAILURES:
            self.failed = number if self.failed is None else min(self.failed, number)
