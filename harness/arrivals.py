"""When each call of a cell is due: pure functions from (load, lengths, seed) to a schedule.

    warm-up  w3 w2 w1 w0 │t0  c0 c1 c2 …  phases  … cN │  t0 t1 t2 …  tail

Arrivals are points at distance 1 (constant) or Exp(1) (poisson) on an axis of expected calls, carried to
the time axis by the inverse of the accumulated rate: so ramps and steps need no case of their own. Draws are
hashes of (seed, section, number); the number of instances or processes moves nothing. Warm-up, phases and
tail are numbered apart, so a longer warm-up does not change a measured call either.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count, islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from windtunnel.harness.contract.records import SCHEDULE_SCHEMA
from windtunnel.harness.inputs.load import DailyCurve, Load
from windtunnel.mock_server.chance import uniform

if TYPE_CHECKING:
    from windtunnel.harness.plan import CellPlan


Replayed: TypeAlias = tuple[float, int]
"""When a call of a file is due, and which of the file's rows it is."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One call that is due: `intended_s` is seconds from t0, negative in the warm-up.

    `index` counts from 0 in each section; the id is `c` + index in the phases, `w` + index in the warm-up
    (0 is the one nearest to t0) and `t` + index in the tail.
    """

    index: int
    intended_s: float
    instance: int
    call_id: str

    @property
    def measured(self) -> bool:
        """Whether metrics count it: it is intended inside the phases."""
        return self.call_id[0] == "c"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of time over which the rate goes evenly from `rate` by `slope` per second."""

    start_s: float
    length_s: float
    rate: float
    slope: float

    @property
    def calls(self) -> float:
        return self.length_s * (self.rate + self.slope * self.length_s / 2)

    def reached(self, calls: float) -> float:
        """Seconds into the piece after which `calls` are expected: the root of rate·x + slope·x²/2 = calls.

        Written without the cancellation of the textbook form, so that it also holds for slope 0.
        """
        root = math.sqrt(max(0.0, self.rate * self.rate + 2 * self.slope * calls))
        below = self.rate + root
        return min(self.length_s, 2 * calls / below) if below > 0 else self.length_s


def schedule(load: Load, phases_total_s: float, warmup_s: float, tail_s: float, seed: int) -> list[Arrival]:
    """Every call of a cell in the order of its intended time, from -warmup_s to phases_total_s + tail_s.

    The same arguments always give the same schedule; `seed` is the cell's repeat seed, so all clients of a
    repeat share it.
    """
    times = load.arrivals.times_s
    if times is not None:
        sections = _replayed(times, phases_total_s, warmup_s, tail_s)
        warmup, phases, tail = ([time for time, _ in section] for section in sections)
    else:
        warmup, phases, tail = _drawn(load, phases_total_s, warmup_s, tail_s, seed)
    numbered = [
        (("w", index, time) for index, time in reversed(list(enumerate(warmup)))),
        (("c", index, time) for index, time in enumerate(phases)),
        (("t", index, time) for index, time in enumerate(tail)),
    ]
    return [
        Arrival(index, _rounded(letter, time, phases_total_s), index % load.instances, f"{letter}{index}")
        for section in numbered
        for letter, index, time in section
    ]


def _rounded(letter: str, time: float, phases_total_s: float) -> float:
    """Whole microseconds (libm's last digits differ between machines); a measured call stays in its phase."""
    rounded = round(time, 6)
    return min(rounded, phases_total_s - 1e-6) if letter == "c" else rounded


def share(arrivals: Sequence[Arrival], process: int, processes: int) -> list[Arrival]:
    """The arrivals that load process number `process` of `processes` plays: those of its instances."""
    return [arrival for arrival in arrivals if arrival.instance % processes == process]


def _drawn(
    load: Load, total_s: float, warmup_s: float, tail_s: float, seed: int
) -> tuple[list[float], list[float], list[float]]:
    pieces = _pieces(load, total_s, tail_s)
    spacing = load.arrivals.spacing
    main = list(_placed(pieces, _points(spacing, seed, "arrival")))
    cut = bisect.bisect_left(main, total_s)
    before = [_Piece(0.0, warmup_s, pieces[0].rate, 0.0)]
    points = _points(spacing, seed, "warm-up")
    if spacing == "constant":
        points = islice(points, 1, None)  # the point at t0 itself is the first measured call
    warmup = [-time for time in _placed(before, points, closed=True)]
    return warmup, main[:cut], main[cut:]


def _pieces(load: Load, total_s: float, tail_s: float) -> list[_Piece]:
    """The rate from t0 to the end of the tail."""
    arrivals = load.arrivals
    if arrivals.ramp is not None:
        start, end = arrivals.ramp.from_, arrivals.ramp.to
        slope = (end - start) / total_s if total_s > 0 else 0.0
        return [_Piece(0.0, total_s, start, slope), _Piece(total_s, tail_s, end, 0.0)]
    end_s = total_s + tail_s
    if arrivals.daily is not None:
        return list(_days(arrivals.daily, load.rate or 0.0, end_s))
    if arrivals.steps is None:
        return [_Piece(0.0, end_s, load.rate or 0.0, 0.0)]
    starts = list(accumulate((step.for_ for step in arrivals.steps[:-1]), initial=0.0))
    ends = [*starts[1:], math.inf]
    return [
        _Piece(start, min(end, end_s) - start, step.rate, 0.0)
        for step, start, end in zip(arrivals.steps, starts, ends, strict=True)
        if start < end_s
    ]


def _days(daily: DailyCurve, rate: float, end_s: float) -> Iterator[_Piece]:
    """The rate of a daily curve from t0 on, even between one factor and the next one, day after day."""
    factors, each_s = daily.curve, daily.day / len(daily.curve)
    first_s = daily.starts % daily.day
    for number in count(math.floor(first_s / each_s)):
        # Each boundary is computed from the number: sums over weeks of days would drift.
        from_s = number * each_s - first_s
        start, end = max(from_s, 0.0), min(from_s + each_s, end_s)
        if start >= end_s:
            return
        low, high = (rate * factors[at % len(factors)] for at in (number, number + 1))
        slope = (high - low) / each_s
        if end > start:
            yield _Piece(start, end - start, max(0.0, low + slope * (start - from_s)), slope)


def _points(spacing: str, seed: int, section: str) -> Iterator[float]:
    """Points on the axis of expected calls: 0, 1, 2, … or a Poisson process of rate 1."""
    if spacing == "constant":
        return map(float, count())
    gaps = (-math.log1p(-uniform(seed, section, number)) for number in count())
    return accumulate(gaps)


def _placed(pieces: Sequence[_Piece], points: Iterator[float], *, closed: bool = False) -> Iterator[float]:
    """The points on the time axis, as long as the pieces last (their very end counts if `closed`)."""
    before = list(accumulate((piece.calls for piece in pieces), initial=0.0))
    last = before[-1]
    inside = takewhile(lambda point: point < last or (closed and point <= last), points)
    for point in inside:
        at = min(bisect.bisect_right(before, point), len(pieces)) - 1
        yield pieces[at].start_s + pieces[at].reached(point - before[at])


def _replayed(
    times: Sequence[float], total_s: float, warmup_s: float, tail_s: float
) -> tuple[list[Replayed], list[Replayed], list[Replayed]]:
    """Warm-up: the file's first seconds, before t0. Tail: its next ones or, if there are none, its last."""
    end_s = total_s + tail_s
    rows = [(time, row) for row, time in enumerate(times)]
    warmup = [(time - warmup_s, row) for time, row in rows if time < warmup_s]
    phases = [(time, row) for time, row in rows if time < total_s]
    tail = [(time, row) for time, row in rows if total_s <= time < end_s]
    if times[-1] < total_s:
        window = min(tail_s, total_s)
        laps = math.ceil(tail_s / window) if window > 0 else 0
        last = [(time - (total_s - window), row) for time, row in phases if time >= total_s - window]
        again = ((total_s + lap * window + time, row) for lap in range(laps) for time, row in last)
        tail = [(time, row) for time, row in again if time < end_s]
    return warmup[::-1], phases, tail


def traced_sizes(
    load: Load, phases_total_s: float, warmup_s: float, tail_s: float
) -> tuple[dict[str, int], dict[str, int]]:
    """The tokens of prompts and of answers by call id, as far as the load's trace tells them."""
    trace, times = load.trace, load.arrivals.times_s
    if trace is None or times is None:
        return {}, {}
    sections = zip("wct", _replayed(times, phases_total_s, warmup_s, tail_s), strict=True)
    rows = [(f"{letter}{index}", row) for letter, part in sections for index, (_, row) in enumerate(part)]
    prompts, answers = (
        {call: size for call, row in rows if (size := sizes[row]) is not None} if sizes else {}
        for sizes in (trace.prompts, trace.answers)
    )
    return prompts, answers


def write_schedule(plan: CellPlan, path: Path) -> None:
    """Write a cell's schedule as Parquet (`SCHEDULE_SCHEMA`): every intended call, however it ended."""
    arrivals = plan.schedule()
    sections = {"w": "warmup", "c": "phases", "t": "tail"}
    columns = {
        "call_id": [arrival.call_id for arrival in arrivals],
        "index": [arrival.index for arrival in arrivals],
        "intended_s": [arrival.intended_s for arrival in arrivals],
        "instance": [arrival.instance for arrival in arrivals],
        "section": [sections[arrival.call_id[0]] for arrival in arrivals],
        "phase": [plan.phase_at(arrival.intended_s) for arrival in arrivals],
    }
    pq.write_table(pa.table(columns, schema=SCHEDULE_SCHEMA), path, write_page_checksum=True)
