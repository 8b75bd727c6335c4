"""Is B better or worse than A? Metric by metric and phase by phase, from the values of seeds that both have played.

    figures of A's cells ┐
                         ├─► pairs_of ─► a Pairs per metric and phase ─► compare ─► a Comparison each ─► overall
    figures of B's cells ┘                       (a value of A and of B per seed)

A difference is `better` or `worse` if it is beyond the metric's floor, its bootstrap interval (95 %) excludes zero,
and its p-value stands by Holm's method over the whole family, all metrics, phases and scenarios that are compared.
Holm, and not Benjamini–Hochberg, because one false alarm already makes a pipeline red: Holm bounds the chance of even
one at 5 %, under any dependence, and metrics depend on each other in both directions. Benjamini–Hochberg, which finds
more and bounds only the share of false ones, says where it is worth to go on: what it finds and Holm does not is
`inconclusive`, with the number of repeats that would show a difference of that size with a power of 0.9.

What cannot be beyond its floor however signs fall (the mean of |difference| is below it) is not in the family: which
rows are tested does not depend on the signs, so the test stays exact, and fewer tests leave more power to each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import numpy as np

from windtunnel.harness.contract.metrics import METRICS, Floor
from windtunnel.reports.gate.paired import (
    ALPHA,
    Array,
    benjamini_hochberg,
    holm,
    intervals,
    least_pairs,
    p_values,
    repeats_for,
    smallest_found,
)
from windtunnel.reports.metrics.figure import Figure, FiguresByPhase

State: TypeAlias = Literal["same", "no_difference", "better", "worse", "inconclusive", "not_compared"]
Verdict: TypeAlias = Literal["same", "no_difference", "better", "worse", "inconclusive"]

CUT_OFF: Final = "in every pair the end of the run cut off what would tell"
NEVER_BOTH: Final = "in no pair both have a value"
ABSENT: Final = Figure(None, reason="does not apply")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The figures of one metric, of a phase or of the whole run (None): those of A and of B, in one order of seeds.

    `same`: in every seed A and B behaved alike, by their digests.
    """

    metric: str
    phase: str | None
    a: tuple[Figure, ...]
    b: tuple[Figure, ...]
    scenario: str = ""
    same: bool = False

    @property
    def name(self) -> str:
        """As in expectations: `goodput`, `goodput@after`."""
        return self.metric if self.phase is None else f"{self.metric}@{self.phase}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How B differs from A in one metric.

    `a` and `b` are means over the `pairs` (of `of`) that have both values; of a truth they are shares of seeds.
    `difference` is b - a, `low` and `high` are the ends of its 95 % interval. `censored`: some values are lower bounds,
    so the difference is one too, in size. `smallest`: the difference that would have been found with a power of 0.9,
    where none was; None where there are too few pairs to say. `repeats`: how many pairs an inconclusive one needs; None
    if more than 10,000. `p` is adjusted by Holm's method; None of what was not tested. `reason` is a sentence's part,
    of what could not be compared and of what is over fewer pairs.
    """

    metric: str
    phase: str | None
    state: State
    floor: float
    scenario: str = ""
    a: float | None = None
    b: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    smallest: float | None = None
    repeats: int | None = None
    pairs: int = 0
    of: int = 0
    censored: bool = False
    reason: str = ""

    @property
    def name(self) -> str:
        """As in expectations: `goodput`, `goodput@after`."""
        return self.metric if self.phase is None else f"{self.metric}@{self.phase}"

    @property
    def text(self) -> str:
        """The state in words."""
        match self.state:
            case "same":
                return "same"
            case "no_difference" if self.smallest is None:
                return "no difference found"
            case "no_difference":
                return f"no difference found (the smallest that would have been found: {self.smallest:.3g})"
            case "inconclusive":
                return f"inconclusive: repeat {self.repeats or 'more than 10,000'} times"
            case "not_compared":
                return f"not compared: {self.reason}"
            case decided:
                return decided


def pairs_of(
    a: Sequence[FiguresByPhase], b: Sequence[FiguresByPhase], *, scenario: str = "", same: bool = False
) -> list[Pairs]:
    """Every metric that has a direction, of the run and of its phases; `a[i]` and `b[i]` have played one seed."""
    phases: list[str | None] = [None, *dict.fromkeys(phase for one in (*a, *b) for phase in one.phases)]
    found = []
    for phase in phases:
        here = {name for one in (*a, *b) for name in one.of(phase)}
        for metric in METRICS.values():
            if metric.better is None or metric.name not in here:
                continue
            of_a, of_b = (tuple(one.of(phase).get(metric.name, ABSENT) for one in side) for side in (a, b))
            found.append(Pairs(metric=metric.name, phase=phase, a=of_a, b=of_b, scenario=scenario, same=same))
    return found


def compare(family: Sequence[Pairs], floors: Mapping[str, Floor] | None = None) -> list[Comparison]:
    """Compare every one of a family, which shares one rate of false alarms; `floors` replace those of metrics."""
    floors = {name: metric.floor for name, metric in METRICS.items()} | dict(floors or {})
    rows = [_Row.of(pairs, floors[pairs.metric]) for pairs in family]
    tested = [row for row in rows if row.may_matter]
    ps = p_values([row.differences for row in tested])
    by_row = {id(row): both for row, *both in zip(tested, holm(ps), benjamini_hochberg(ps), strict=True)}
    found = []
    for row, interval in zip(rows, intervals([row.differences for row in rows]), strict=True):
        sure, likely = by_row.get(id(row), (None, None))
        found.append(_judged(row, sure, likely, interval, len(tested)))
    return found


def overall(comparisons: Iterable[Comparison]) -> Verdict:
    """What all of them come to. A proven `worse` is not less proven by what is inconclusive beside it."""
    states = {comparison.state for comparison in comparisons}
    order: tuple[Verdict, ...] = ("worse", "inconclusive", "better", "no_difference")
    return next((state for state in order if state in states), "same")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One comparison before its verdict: what is known without the others."""

    start: Comparison
    differences: Array
    same: bool
    least_floor: float

    @classmethod
    def of(cls, pairs: Pairs, floor: Floor) -> _Row:
        known = [(a, b) for a, b in zip(pairs.a, pairs.b, strict=True) if _comparable(a, b)]
        values = np.array([(float(a.value or 0), float(b.value or 0)) for a, b in known]).reshape(-1, 2)
        start = Comparison(
            metric=pairs.metric,
            phase=pairs.phase,
            scenario=pairs.scenario,
            state="not_compared",
            floor=floor.absolute,
            pairs=len(known),
            of=len(pairs.a),
            reason="" if len(known) == len(pairs.a) else _why(pairs, len(known)),
        )
        if known:
            mean_a, mean_b = (float(mean) for mean in values.mean(axis=0))
            start = replace(
                start,
                a=mean_a,
                b=mean_b,
                difference=mean_b - mean_a,
                floor=floor.at(mean_a),
                censored=any(figure.censored for pair in known for figure in pair),
            )
        # A floor that is a share is taken of the smaller values here: of A's alone it would depend on the signs.
        least = float(np.abs(values).min(axis=1).mean()) if known else 0.0
        differences = values[:, 1] - values[:, 0]
        return cls(start=start, differences=differences, same=pairs.same, least_floor=floor.at(least))

    @property
    def may_matter(self) -> bool:
        """Whether its mean could be beyond the floor, whatever the signs of its differences."""
        return (
            not self.same
            and len(self.differences) > 0
            and float(np.abs(self.differences).mean()) > self.least_floor
        )


def _comparable(a: Figure, b: Figure) -> bool:
    """Whether both have a value, and which is larger is known: a lower bound tells if the other is exact and below."""
    if a.value is None or b.value is None:
        return False
    if a.censored and b.censored:
        return False
    if a.censored:
        return float(a.value) >= float(b.value)
    return not b.censored or float(b.value) >= float(a.value)


def _why(pairs: Pairs, known: int) -> str:
    if known:
        return f"over {known} of {len(pairs.a)} pairs"
    missing = {
        side: next((figure.reason for figure in figures if figure.reason), "")
        for side, figures in (("A", pairs.a), ("B", pairs.b))
        if all(figure.value is None for figure in figures)
    }
    if len(missing) == 2 and len(set(missing.values())) == 1:
        missing = {"neither": missing["A"]}
    told = [f"{side} has {'a' if side == 'neither' else 'no'} value" for side in missing]
    return "; ".join(
        text + (f" ({why})" if why else "") for text, why in zip(told, missing.values(), strict=True)
    ) or (CUT_OFF if any(figure.censored for figure in (*pairs.a, *pairs.b)) else NEVER_BOTH)


def _judged(
    row: _Row,
    sure: float | None,
    likely: float | None,
    interval: tuple[float | None, float | None],
    family: int,
) -> Comparison:
    """The verdict on a row. `sure` and `likely`: its p-value by Holm, and by Benjamini–Hochberg."""
    if row.same:
        return replace(row.start, state="same", low=0.0, high=0.0)
    difference = row.start.difference
    if difference is None:
        return row.start
    low, high = interval
    found = replace(row.start, low=low, high=high, p=sure)
    pairs = len(row.differences)
    if not np.any(row.differences):
        return replace(found, state="no_difference", smallest=found.floor if pairs >= 2 else None)
    enough = pairs >= least_pairs(family)
    spread = float(np.std(row.differences, ddof=1)) if pairs >= 2 else 0.0
    beyond = abs(difference) > found.floor
    if beyond and sure is not None and sure <= ALPHA and _excludes_zero(low, high):
        better = (difference > 0) == (METRICS[found.metric].better == "higher")
        return replace(found, state="better" if better else "worse")
    if not enough or (beyond and likely is not None and likely <= ALPHA):
        wanted = max(abs(difference), found.floor)
        return replace(found, state="inconclusive", repeats=repeats_for(wanted, spread, pairs, family))
    smallest = max(found.floor, smallest_found(spread, pairs, family))
    return replace(found, state="no_difference", smallest=smallest)


def _excludes_zero(low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and (low > 0 or high < 0)
