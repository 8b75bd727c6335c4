"""How punctually tokens are written: |moment of the write - moment the provider had them ready|.

A histogram of fixed size, so that a soak costs no memory; percentiles are exact to `STEP_S`.
"""

from __future__ import annotations

STEP_S = 0.0001
STEPS = 2000
"""Errors of 0.2 s and more share the last step."""


class Punctuality:
    """Counts timing errors of tokens since the last reset."""

    __slots__ = ("_counts", "count", "worst_s")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Delete all errors so far."""
        self._counts = [0] * STEPS
        self.count = 0
        self.worst_s = 0.0

    def note(self, error_s: float) -> None:
        """Count one error, in seconds; early and late are the same."""
        if error_s < 0.0:
            error_s = -error_s
        step = int(error_s / STEP_S)
        self._counts[step if step < STEPS else STEPS - 1] += 1
        self.count += 1
        if error_s > self.worst_s:
            self.worst_s = error_s

    def percentile(self, share: float) -> float | None:
        """Return the error that `share` (0 to 1) of all tokens stay within, in seconds rounded up; None before any."""
        wanted = share * self.count
        seen = 0
        for step, count in enumerate(self._counts):
            seen += count
            if seen and seen >= wanted:
                return min((step + 1) * STEP_S, self.worst_s)
        return None

    def summary(self) -> dict[str, float | int | None]:
        """Return the figures for the admin API: count, and p50, p99 and worst error in seconds."""
        return {
            "count": self.count,
            "p50_s": self.percentile(0.5),
            "p99_s": self.percentile(0.99),
            "max_s": self.worst_s,
        }
