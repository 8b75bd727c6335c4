"""Time on the virtual clock: whatever a process reads its time from follows the loop.

datetime.now, time.time, strftime, localtime, clock_gettime(REALTIME) ─► time-machine, moved with the loop
monotonic, perf_counter, clock_gettime(others), ctime, os.times       ─► functions of the loop's time
process_time, thread_time                                            ─► 0: computing takes no virtual time
"""

from __future__ import annotations

import os
import sys
import time
from types import ModuleType
from typing import Any

from windtunnel.harness.virtual.loop import VirtualLoop
from windtunnel.harness.virtual.replacing import Replacements

WALL = 1_767_225_600
"""The Unix time at the loop's zero: 1 January 2026."""

CPU_CLOCKS = (time.CLOCK_PROCESS_CPUTIME_ID, time.CLOCK_THREAD_CPUTIME_ID)
COUNTED_FROM_START = ("monotonic", "perf_counter")
CPU_TIMES = ("process_time", "thread_time")


def follow(loop: VirtualLoop, replacements: Replacements, *, wall: int = WALL) -> None:
    """Put every clock of this process on the loop's time. `wall` is the Unix time at the loop's zero."""
    journey = _time_machine().travel(wall, tick=False)
    traveller = journey.start()
    if loop.time():
        traveller.shift(loop.time())
    loop.moved = traveller.shift
    replacements.when_restored(journey.stop)

    def now_ns() -> int:
        return round(loop.time() * 1e6) * 1000

    for name in COUNTED_FROM_START:
        replacements.put(time, name, loop.time)
        replacements.put(time, f"{name}_ns", now_ns)
    for name in CPU_TIMES:
        replacements.put(time, name, lambda: 0.0)
        replacements.put(time, f"{name}_ns", lambda: 0)
    _follow_by_number(loop, replacements)
    real_ctime, real_asctime = time.ctime, time.asctime
    replacements.put(
        time, "ctime", lambda seconds=None: real_ctime(time.time() if seconds is None else seconds)
    )
    replacements.put(
        time, "asctime", lambda moment=None: real_asctime(time.localtime() if moment is None else moment)
    )
    replacements.put(os, "times", lambda: os.times_result((0.0, 0.0, 0.0, 0.0, loop.time())))


def _follow_by_number(loop: VirtualLoop, replacements: Replacements) -> None:
    """`clock_gettime`: time-machine knows the wall clock alone."""
    of_wall, of_wall_ns = time.clock_gettime, time.clock_gettime_ns

    def clock_gettime(clock: int, /) -> float:
        return clock_gettime_ns(clock) / 1e9 if clock != time.CLOCK_REALTIME else of_wall(clock)

    def clock_gettime_ns(clock: int, /) -> int:
        if clock == time.CLOCK_REALTIME:
            return of_wall_ns(clock)
        return 0 if clock in CPU_CLOCKS else time.monotonic_ns()

    replacements.put(time, "clock_gettime", clock_gettime)
    replacements.put(time, "clock_gettime_ns", clock_gettime_ns)


def _time_machine() -> Any:
    """Return the library, imported without pytest, for which it has a plugin: a third of a second for nothing."""
    pytest: ModuleType | None = sys.modules.get("pytest")
    if pytest is not None:
        import time_machine

        return time_machine
    sys.modules["pytest"] = None  # type: ignore[assignment]  # so an import fails
    try:
        import time_machine
    finally:
        del sys.modules["pytest"]
    return time_machine
