"""A discrete-event simulation in its smallest form: a heap of things to do, and the time of the latest one."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import TypeAlias

Action: TypeAlias = Callable[[], None]


class Timer:
    """Something that will be done, unless it is cancelled before."""

    __slots__ = ("action", "cancelled")

    def __init__(self, action: Action) -> None:
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Simulation:
    """Events in order of time, and of their making where times are equal."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._events: list[tuple[float, int, Timer]] = []
        self._made = 0

    def at(self, time: float, action: Action) -> Timer:
        """Do `action` at `time`, or at once if that is over; never, if it is infinite."""
        timer = Timer(action)
        if time < math.inf:
            self._made += 1
            heapq.heappush(self._events, (max(time, self.now), self._made, timer))
        return timer

    def run(self, until: float) -> None:
        """Do everything that is due by `until`."""
        while self._events and self._events[0][0] <= until:
            self.now, _, timer = heapq.heappop(self._events)
            if not timer.cancelled:
                timer.action()
        self.now = until
