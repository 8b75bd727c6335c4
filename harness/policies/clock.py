"""Time and chance as policies get them: injected, so that a test or a virtual clock can take their place."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from windtunnel.mock_server.chance import uniform

Now: TypeAlias = Callable[[], float]
Draw: TypeAlias = Callable[[str, int], float]
"""(call id, number of the try) → a number in [0, 1)."""


class Clock:
    """Seconds from t0 on the monotonic clock. Until t0 is known it counts from the clock's own zero."""

    __slots__ = ("t0",)

    def __init__(self, t0: float = 0.0) -> None:
        self.t0 = t0

    def now(self) -> float:
        return time.monotonic() - self.t0

    def since_t0(self) -> float:
        """Seconds from t0; minus infinity as long as it is not known."""
        return self.now() if self.t0 else -math.inf

    @staticmethod
    def wall() -> float:
        """Seconds since the epoch: for `retry-after` with a date, and for nothing else."""
        return time.time()


def jitter_draws(seed: int) -> Draw:
    """Draws for the jitter of waits: the same for a call and a try, whichever process makes it."""
    return partial(uniform, seed, "jitter")
