"""The clock on the wall, which may jump while a soak is played: nothing is measured by it, and a jump is marked."""

from __future__ import annotations

from typing import Final

LEAST_S: Final = 1.0
"""Smaller jumps are how a time server keeps a clock right."""


class WallClock:
    """Compares the wall's clock with the monotonic one, by which everything is measured."""

    def __init__(self, wall_s: float, monotonic_s: float) -> None:
        self._apart = wall_s - monotonic_s

    def jumped(self, wall_s: float, monotonic_s: float) -> float:
        """By how many seconds the wall's clock has jumped since the last look; 0 if it has not."""
        apart = wall_s - monotonic_s
        jump, self._apart = apart - self._apart, apart
        return jump if abs(jump) >= LEAST_S else 0.0
