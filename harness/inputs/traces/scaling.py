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

GOLDEN = (math.sqrt(5) - 1) / 2
"""The golden ratio: its multiples, less their whole parts, are spread evenly, however many there are."""

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


def at_mean_rate(calls: TracedCalls, rate: float, length_s: float, part: int = 0) -> TracedCalls:
    """A trace at so many calls per second in the mean, for `length_s` seconds: stretched, and again from its start.

    Its course is slower or faster than it was; what is a burst in it stays one. After the last call it begins anew, a
    mean gap later. A trace of one call is one at a constant rate. Each `part` begins with another call of the trace,
    parts that follow each other far apart.
    """
    count = len(calls)
    whole_s = calls.times_s[-1] * count / max(1, count - 1)
    period_s = count / rate
    stretch = period_s / whole_s if whole_s else 0.0
    rounds = math.ceil(length_s / period_s)
    first = int(part * GOLDEN % 1 * count)
    since = stretch * calls.times_s[first]
    rows = [
        (round(lap * period_s + stretch * time - since, 6), row)
        for lap in range(rounds + 1)
        for row, time in enumerate(calls.times_s)
        if lap or row >= first
    ]
    rows = [(time, row) for time, row in rows if time < length_s]
    return TracedCalls(
        tuple(time for time, _ in rows),
        tuple(calls.prompts[row] for _, row in rows) if calls.prompts else (),
        tuple(calls.answers[row] for _, row in rows) if calls.answers else (),
    )


def _several(calls: TracedCalls, factor: float) -> Iterator[tuple[float, int]]:
    whole, part = math.floor(factor), factor % 1
    times = calls.times_s
    for row, time in enumerate(times):
        copies = whole + (uniform(_SEED, "trace", row) < part)
        gap = times[row + 1] - time if row + 1 < len(times) else 0.0
        for copy in range(copies):
            yield (time if copy == 0 else round(time + gap * uniform(_SEED, "copy", row, copy), 6)), row
