"""A local rate limiter: a token bucket in front of every try, so that a client keeps to its quota by itself."""

from __future__ import annotations

SECONDS_PER_MINUTE = 60.0


class LocalLimiter:
    """A bucket that refills continuously at `rpm` a minute and holds `burst` tries at most.

    Tries reserve their turn in the order in which they ask: the level may go below zero, and what is
    missing is the wait.
    """

    __slots__ = ("_at", "_burst", "_level", "_rate")

    def __init__(self, rpm: float, burst: int = 1) -> None:
        self._rate = rpm / SECONDS_PER_MINUTE
        self._burst = float(burst)
        self._level = float(burst)
        self._at: float | None = None

    def wait(self, now: float) -> float:
        """Seconds until a try that asks now would have its turn; reserves nothing."""
        return max(0.0, (1.0 - self._filled(now)) / self._rate)

    def take(self, now: float) -> float:
        """Reserve the next turn and return the seconds until it."""
        wait = self.wait(now)
        self._level = self._filled(now) - 1.0
        self._at = now
        return wait

    def _filled(self, now: float) -> float:
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        return min(self._burst, self._level + passed * self._rate)
