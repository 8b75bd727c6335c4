"""Rates up and down again in one play: what was overloaded may carry less than before, which is hysteresis.

One provider and one client live through all steps. The first half of a step lets it settle, the second half counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, stdev
from typing import Literal

from scipy.stats import t as student

from windtunnel.harness.capacity.level import Layout, settling
from windtunnel.harness.contract.capacity import BATCH, LevelCell, Sweep, SweepGap, SweepStep
from windtunnel.harness.inputs.scenario import Scenario

FACTORS = (0.6, 0.8, 0.95, 1.1, 1.3)
"""The rates on the way up, as multiples of the safe rate; the way down leaves the last one out."""
SEEDS = 3
LEAST_STEP_S = 20.0
CALLS = 40
"""Calls that count in a step, at least."""
LEAST = 0.02
"""A share of goodput that is lost on the way down and is no hysteresis yet."""


def rates_around(safe: float) -> tuple[float, ...]:
    """The rates of a sweep in the order in which they are played, in calls per second."""
    up = [float(f"{safe * factor:.4g}") for factor in FACTORS]
    return (*up, *up[-2::-1])


def step_s(rates: Sequence[float]) -> float:
    """How long a step lasts, in seconds."""
    return float(math.ceil(max(LEAST_STEP_S, 2 * CALLS / min(rates))))


def at_rates(scenario: Scenario, rates: Sequence[float], lengths: Layout) -> Scenario:
    """The scenario as a sweep: it settles at the first rate; of each step the second half is a batch."""
    each_s = step_s(rates)
    data = scenario.model_dump(mode="json", by_alias=True)
    steps = [
        {"for": f"{each_s + (0 if number else lengths.settle_s):g}s", "rate": f"{rate:.6g}/s"}
        for number, rate in enumerate(rates)
    ]
    data["load"]["arrivals"] = {"spacing": scenario.load.arrivals.spacing, "steps": steps}
    data["load"]["rate"] = None
    half = {"for": f"{each_s / 2:g}s", "faulty": False}
    phases = [settling(scenario, lengths.settle_s)]
    for number in range(len(rates)):
        phases += [{"name": f"step-{number}", **half}, {"name": f"{BATCH}{number}", **half}]
    swept = type(scenario).model_validate({**data, "expect": [], "time_scale": 1, "phases": phases})
    return swept.scaled_already(scenario.played_at)


def sweep_of(rates: Sequence[float], cells: Sequence[LevelCell]) -> Sweep:
    """What the plays of a sweep, one a seed, come to. `cells` have a batch for each of the rates."""
    steps = tuple(
        _step(_way(rates, number), rate, [cell.batches[number].get("goodput") for cell in cells],
              [cell.batches[number].get("latency_p95_s") for cell in cells],
              [cell.flows[number].calls / cell.flows[number].length_s for cell in cells])
        for number, rate in enumerate(rates)
    )  # fmt: skip
    peak = len(rates) // 2
    gaps = tuple(
        _gap(rates[number], [_lost(cell, number, len(rates) - 1 - number) for cell in cells])
        for number in range(peak)
    )
    return Sweep(
        seeds=len(cells),
        step_s=step_s(rates),
        steps=steps,
        gaps=gaps,
        least=LEAST,
        hysteresis=any(gap.low is not None and gap.low > LEAST for gap in gaps),
    )


def _way(rates: Sequence[float], number: int) -> Literal["up", "down"]:
    return "up" if all(one < other for one, other in pairwise(rates[: number + 1])) else "down"


def _step(
    way: Literal["up", "down"],
    rate: float,
    goodput: Sequence[float | None],
    latency: Sequence[float | None],
    offered: Sequence[float],
) -> SweepStep:
    achieved = [None if good is None else good * calls for good, calls in zip(goodput, offered, strict=True)]
    return SweepStep(way, rate, fmean(offered), _mean(achieved), _mean(goodput), _mean(latency))


def _lost(cell: LevelCell, up: int, down: int) -> float | None:
    """Goodput on the way up - goodput on the way down, in one play."""
    before, after = (cell.batches[number].get("goodput") for number in (up, down))
    return None if before is None or after is None else before - after


def _gap(rate: float, lost: Sequence[float | None]) -> SweepGap:
    known = [value for value in lost if value is not None]
    if len(known) < 2:
        return SweepGap(rate, _mean(lost), None, None)
    mean = fmean(known)
    half = float(student.ppf(0.975, len(known) - 1)) * stdev(known) / math.sqrt(len(known))
    return SweepGap(rate, mean, mean - half, mean + half)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
