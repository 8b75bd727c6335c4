"""A token bucket that refills continuously, as OpenAI's own does.

Seven public 429 messages agree with (Used + Requested − Limit) ÷ (Limit ÷ 60) as the wait they promise, which
is what a continuous refill gives and a fixed window does not.
"""

from __future__ import annotations

TOLERANCE = 1e-6
"""An amount that lacks this much still counts as there; for the rounding of floating point."""


class Bucket:
    """A level between −∞ (in debt) and `capacity` that rises by `rate` a second.

    Times are seconds and must not run backwards; a time that does is taken for the latest one seen.
    """

    __slots__ = ("_at", "_level", "capacity", "rate")

    def __init__(self, capacity: float, rate: float, now: float) -> None:
        """Make a full bucket."""
        self.capacity = capacity
        self.rate = rate
        self._level = capacity
        self._at = now

    def level(self, now: float) -> float:
        """Return the level at `now`."""
        if now > self._at:
            level = self._level + (now - self._at) * self.rate
            self._level = level if level < self.capacity else self.capacity
            self._at = now
        return self._level

    def holds(self, amount: float, now: float) -> bool:
        """Whether the level is at least `amount`."""
        return self.level(now) + TOLERANCE >= amount

    def take(self, amount: float, now: float) -> None:
        """Take `amount`, whether it is there or not: the level may go below zero."""
        self._level = self.level(now) - amount

    def drain(self, amount: float, now: float) -> None:
        """Take `amount`, or less if the level is lower; a level below zero stays as it is."""
        level = self.level(now)
        if level > 0.0:
            self._level = max(0.0, level - amount)

    def give_back(self, amount: float, now: float) -> None:
        """Add an amount that was taken and not used; what does not fit is lost."""
        self._level = min(self.capacity, self.level(now) + amount)

    def wait_for(self, amount: float, now: float) -> float:
        """Return the seconds until the level is `amount`, if nothing is taken meanwhile; 0 if it is already."""
        lacking = amount - self.level(now)
        return lacking / self.rate if lacking > TOLERANCE else 0.0

    def reshape(self, capacity: float, rate: float, now: float) -> None:
        """Change capacity and rate. The level stays where it is, or falls to the new capacity."""
        level = self.level(now)
        self.capacity = capacity
        self.rate = rate
        self._level = min(level, capacity)
