"""A run over many seeds in figures: how each metric is distributed, and which seeds are its extremes.

    cells of one client, a seed each ─► {metric or metric@phase: Spread} ─► metrics.json, clients.<name>.seeds

Quantiles are values of seeds, not between them: the q-quantile is the smallest value that a share q of the seeds does
not exceed. A recovery that never came is longer than any; in JSON its time is null.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from windtunnel.harness.contract.expectation import Expectation
from windtunnel.reports.figures.model import CellFigures, Extreme, NumberSpread, Spread, TruthSpread
from windtunnel.reports.figures.repeats import over_repeats
from windtunnel.reports.gate.expectations import HeldSeeds, evaluate
from windtunnel.reports.metrics.figure import FiguresByPhase, Value

POINTS: Final = {"p5": 0.05, "p50": 0.5, "p95": 0.95}
MOST_SEEDS: Final = 10
"""Seeds that are named of those that share a truth; the first ones."""

Sample: TypeAlias = tuple[float, int]
"""(value, seed)."""


def over_seeds(cells: Sequence[CellFigures]) -> dict[str, Spread]:
    """The spread of every metric of one client; `cells` are its cells, a seed each.

    Keys are written as in expectations: `goodput`, `goodput@after`. A metric that no seed has a value for is absent.
    """
    samples = {name: samples_of(cells, name) for name in names_of(cells)}
    return {name: _spread(found) for name, found in samples.items() if found}


def names_of(cells: Iterable[CellFigures]) -> list[str]:
    """Every metric that a cell has, and every `metric@phase`: the whole run first."""
    whole: dict[str, None] = {}
    in_phases: dict[str, None] = {}
    for cell in cells:
        whole.update(dict.fromkeys(cell.overall))
        in_phases.update(dict.fromkeys(f"{name}@{p}" for p, found in cell.phases.items() for name in found))
    return [*whole, *in_phases]


def samples_of(cells: Iterable[CellFigures], name: str) -> list[tuple[Value, int]]:
    """(Value, seed) of `metric` or `metric@phase` in each cell that has one; infinite where a recovery never came."""
    metric, _, phase = name.partition("@")
    samples: list[tuple[Value, int]] = []
    for cell in cells:
        value = cell.value(metric, phase or None)
        if metric == "time_to_recover_s" and cell.value("recovered", phase or None) is False:
            value = math.inf
        if value is not None and cell.seed is not None:
            samples.append((value, cell.seed))
    return samples


def _spread(samples: Sequence[tuple[Value, int]]) -> Spread:
    if any(isinstance(value, bool) for value, _ in samples):
        return _of_truths(samples)
    return _of_numbers([(float(value), seed) for value, seed in samples if value is not None])


def _of_truths(samples: Sequence[tuple[Value, int]]) -> TruthSpread:
    yes = sorted(seed for value, seed in samples if value)
    no = sorted(seed for value, seed in samples if not value)
    share = len(yes) / len(samples)
    return TruthSpread(len(samples), share, tuple(yes[:MOST_SEEDS]), tuple(no[:MOST_SEEDS]))


def _of_numbers(samples: Sequence[Sample]) -> NumberSpread:
    ordered = sorted(samples)
    most = max(samples, key=lambda sample: (sample[0], -sample[1]))  # of equal ones the first seed
    return NumberSpread(
        count=len(ordered),
        points={name: _finite(quantile(ordered, share)) for name, share in POINTS.items()},
        least=Extreme(_finite(ordered[0][0]), ordered[0][1]),
        most=Extreme(_finite(most[0]), most[1]),
        never=sum(math.isinf(value) for value, _ in ordered),
    )


def quantile(ordered: Sequence[Sample], share: float) -> float:
    """The smallest value that `share` of the (sorted) samples do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)][0]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def held_over_seeds(expectation: Expectation, client: str, cells: Sequence[CellFigures]) -> HeldSeeds:
    """In how many of a client's seeds an expectation holds: count, held, and the first seeds in which it fails."""
    failed: list[int] = []
    undecided = 0
    for cell in cells:
        alone = FiguresByPhase(
            overall=over_repeats([cell.overall]),
            phases={phase: over_repeats([found]) for phase, found in cell.phases.items()},
        )
        results = {one.result for one in evaluate([expectation], {client: alone})}
        if "failed" in results:
            failed.append(cell.seed or 0)
        elif "undecided" in results:
            undecided += 1
    held = len(cells) - len(failed) - undecided
    return HeldSeeds(len(cells), held, tuple(sorted(failed)[:MOST_SEEDS]), undecided)


def median_repeat(cells: Sequence[CellFigures]) -> int:
    """The repeat whose share of good calls, over all clients, is the median: the one that charts show as typical."""
    good: dict[int, list[float]] = {}
    for cell in cells:
        good.setdefault(cell.repeat, []).append(cell.number("goodput") or 0.0)
    most = max(len(values) for values in good.values())
    whole = sorted((sum(values), repeat) for repeat, values in good.items() if len(values) == most)
    return whole[(len(whole) - 1) // 2][1]
