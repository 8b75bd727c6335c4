"""More or fewer calls than a trace has, in the trace's own shape: pure functions, the same draws for every run.

Fewer: each call is in, or out, by a draw of its own. More: of each call there are several; the first one at its time,
the others at random between it and the next call of the trace. So a quiet minute stays quiet, and a burst a burst.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.traces.settings import MOST_ROWS, TracedCalls
from windtunnel.mock_server.chance import uniform

_SEED = 0
"""A trace is what was, not a draw: which calls are left out does not depend on a run's seed."""


def at_factor(calls: TracedCalls, factor: float, where: Path | str = "the trace") -> TracedCalls:
    """So many calls for one of the trace. Raises InputError if that is none at all, or too many."""
    if factor == 1:
        return calls
    if len(calls) * factor > MOST_ROWS:
        found = f"{len(calls):,} calls times {factor:g}"
        raise InputError(
            where,
            found=found,
            expected=f"at most {MOST_ROWS:,} calls",
            hint="fewer rows, or a smaller factor",
        )
    several = sorted(_several(calls, factor))
    if not several:
        found = f"no call left of {len(calls):,} at {factor:g} calls for one"
        raise InputError(
            where, found=found, expected="at least one call", hint="a larger factor, or time scale"
        )
    rows = [row for _, row in several]
    return TracedCalls(
        tuple(time for time, _ in several),
        tuple(calls.prompts[row] for row in rows) if calls.prompts else (),
        tuple(calls.answers[row] for row in rows) if calls.answers else (),
    )


def in_time(calls: TracedCalls, scale: float, where: Path | str = "the trace") -> TracedCalls:
    """The trace in `scale` times its time at the rates that it has: so there are `scale` times as many calls."""
    if scale == 1:
        return calls
    scaled = at_factor(calls, scale, where)
    times = tuple(round(time * scale, 6) for time in scaled.times_s)
    return TracedCalls(times, scaled.prompts, scaled.answers)


def _several(calls: TracedCalls, factor: float) -> Iterator[tuple[float, int]]:
    whole, part = math.floor(factor), factor % 1
    times = calls.times_s
    for row, time in enumerate(times):
        copies = whole + (uniform(_SEED, "trace", row) < part)
        gap = times[row + 1] - time if row + 1 < len(times) else 0.0
        for copy in range(copies):
            yield (time if copy == 0 else round(time + gap * uniform(_SEED, "copy", row, copy), 6)), row
