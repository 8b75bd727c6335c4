"""When the calls of a soak are due: drawn cycle by cycle, so that a soak of days needs no more memory than one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from windtunnel.harness.arrivals import schedule
from windtunnel.harness.inputs.load import Load

MOST_OF_A_CYCLE: Final = 10_000_000
"""Numbers that a cycle's calls may have: a call's number says which cycle it belongs to."""


def due_from(
    load: Load, cycle_s: float, cycles: int, seed: int, from_s: float = 0.0
) -> Iterator[tuple[int, float]]:
    """Number and time (seconds from the start of the soak) of each call that is due at `from_s` or later, in order.

    The same arguments always give the same calls, so that who goes on with a soak goes on with its schedule.
    """
    for cycle in range(max(0, int(from_s // cycle_s)), cycles):
        for one in schedule(load, cycle_s, 0.0, 0.0, seed + cycle):
            at_s = cycle * cycle_s + one.intended_s
            if at_s >= from_s:
                yield cycle * MOST_OF_A_CYCLE + one.index, at_s
