"""How true `compare` is, on records of one client that was played twice: false alarms, and what is found of a plant.

    metrics.json of A against A ─► pairs ─► many families, drawn from them ─► compare ─► alarms, planted ones found

`python -m windtunnel.reports.gate.alarm_rate RECORDS` prints what it finds; `--small FILE` writes what it needs of
the records into a file that can be kept.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.gate.compare import Comparison, compare, pairs_of
from windtunnel.reports.metrics.figure import Figure, Figures, FiguresByPhase

COMPARISONS: Final = 200
MOST_ALARMS: Final = 16
TRIALS: Final = 50
LEAST_FOUND: Final = 40
PAIRS: Final = 14
"""Pairs of a comparison: as many repeats as `ab` plays in real time."""
NEEDED: Final = frozenset({name for name, metric in METRICS.items() if metric.better} | {"offered"})

Pair: TypeAlias = tuple[FiguresByPhase, FiguresByPhase]
Plant: TypeAlias = Callable[[Pair, np.random.Generator], Pair]


@dataclass(frozen=True, slots=True)
class Tally:
    """Of `of` comparisons, in how many some metric was better or worse, and in how many some was inconclusive."""

    alarms: int
    inconclusive: int
    of: int


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a metrics.json with two clients (the cells of one repeat are a pair), or of what `small` kept."""
    content = json.loads(path.read_text())
    if "rows" in content:
        return _kept(content["rows"])
    cells = content["cells"]
    first, second = dict.fromkeys(cell["client"] for cell in cells)
    found = {(cell["client"], cell["repeat"]): _cell(cell) for cell in cells}
    repeats = [repeat for client, repeat in found if client == first and (second, repeat) in found]
    return [(found[first, repeat], found[second, repeat]) for repeat in repeats]


def _cell(cell: Mapping[str, Any]) -> FiguresByPhase:
    def figures(group: Mapping[str, Any]) -> Figures:
        return {
            name: Figure(one["value"], censored=one.get("censored", False))
            for name, one in group.items()
            if name in NEEDED
        }

    phases = {phase: figures(group) for phase, group in cell["phases"].items()}
    return FiguresByPhase(overall=figures(cell["overall"]), phases=phases)


def small(pairs: Sequence[Pair]) -> dict[str, Any]:
    """What `read_pairs` needs: `metric@phase` → values of A and of B; a lower bound stands in a list."""
    groups = [None, *dict.fromkeys(phase for a, _ in pairs for phase in a.phases)]
    rows = {}
    for phase in groups:
        for name in dict.fromkeys(name for pair in pairs for side in pair for name in side.of(phase)):
            key = name if phase is None else f"{name}@{phase}"
            rows[key] = [[_short(pair[i].of(phase).get(name)) for pair in pairs] for i in (0, 1)]
    return {"rows": rows}


def _short(figure: Figure | None) -> Any:
    if figure is None or figure.value is None:
        return None
    value = figure.value if isinstance(figure.value, bool) else float(f"{figure.value:.5g}")
    return [value] if figure.censored else value


def _kept(rows: Mapping[str, Any]) -> list[Pair]:
    count = len(next(iter(rows.values()))[0])
    return [(_side(rows, 0, at), _side(rows, 1, at)) for at in range(count)]


def _side(rows: Mapping[str, Any], side: int, at: int) -> FiguresByPhase:
    overall: dict[str, Figure] = {}
    phases: dict[str, dict[str, Figure]] = {}
    for key, values in rows.items():
        value = values[side][at]
        name, _, phase = key.partition("@")
        figure = Figure(value[0], censored=True) if isinstance(value, list) else Figure(value)
        (phases.setdefault(phase, {}) if phase else overall)[name] = figure
    return FiguresByPhase(overall=overall, phases=phases)


def drawn(pairs: Sequence[Pair], draw: np.random.Generator, count: int = PAIRS) -> list[Pair]:
    """Some of the pairs, each with its sides in an order of chance: what one more A against A might have been."""
    chosen = draw.choice(len(pairs), size=count, replace=False)
    turned = draw.random(count) < 0.5
    return [pairs[i][::-1] if turn else pairs[i] for i, turn in zip(chosen, turned, strict=True)]


def judged(pairs: Sequence[Pair]) -> list[Comparison]:
    """The verdicts on a whole family."""
    return compare(pairs_of([a for a, _ in pairs], [b for _, b in pairs]))


def false_alarms(pairs: Sequence[Pair], comparisons: int = COMPARISONS) -> Tally:
    """Compare one client with itself many times over: every `better` and `worse` is a false alarm."""
    states = [
        {one.state for one in judged(drawn(pairs, np.random.default_rng(number)))}
        for number in range(comparisons)
    ]
    return Tally(
        alarms=sum(bool(found & {"better", "worse"}) for found in states),
        inconclusive=sum("inconclusive" in found for found in states),
        of=comparisons,
    )


def found(pairs: Sequence[Pair], metric: str, plant: Plant, trials: int = TRIALS) -> int:
    """In how many of `trials` a planted regression of `metric` is called worse, among all other metrics."""
    hits = 0
    for number in range(trials):
        draw = np.random.default_rng(10_000 + number)
        planted = [plant(pair, draw) for pair in drawn(pairs, draw)]
        hits += any(one.name == metric and one.state == "worse" for one in judged(planted))
    return hits


def lose_a_tenth(pair: Pair, draw: np.random.Generator) -> Pair:
    """Every good call of B is lost with a chance of 0.1."""
    a, b = pair
    calls = round(b.number("offered") or 0)
    good = round((b.number("goodput") or 0.0) * calls)
    return a, _with(b, "goodput", draw.binomial(good, 0.9) / calls)


def amplify(pair: Pair, draw: np.random.Generator) -> Pair:
    """Calls are repeated until they succeed: 1.2 attempts per call with A, 1.5 with B."""
    a, b = (
        _with(
            side, "amplification", float(draw.geometric(1 / mean, round(side.number("offered") or 0)).mean())
        )
        for side, mean in zip(pair, (1.2, 1.5), strict=True)
    )
    return a, b


def _with(side: FiguresByPhase, metric: str, value: float) -> FiguresByPhase:
    return replace(side, overall={**side.overall, metric: Figure(value)})


PLANTS: Final[Mapping[str, tuple[str, Plant]]] = {
    "a tenth of the good calls lost": ("goodput", lose_a_tenth),
    "amplification 1.5 for 1.2": ("amplification", amplify),
}


def main() -> None:
    """Print the table of reports/README.md for the records that are named."""
    parser = argparse.ArgumentParser(
        description="How often `ab` is wrong on records of one client, played twice."
    )
    parser.add_argument(
        "records", type=Path, help="metrics.json of a run of A against A, or what --small wrote"
    )
    parser.add_argument("--small", type=Path, help="write what is needed of it into this file")
    options = parser.parse_args()
    pairs = read_pairs(options.records)
    if options.small is not None:
        options.small.write_text(
            json.dumps(small(pairs), separators=(",", ":")).replace("]],", "]],\n") + "\n"
        )
    tally = false_alarms(pairs)
    print(f"records: {len(pairs)} pairs; {PAIRS} of them in a comparison")
    print(f"A against A: {tally.alarms} of {tally.of} with an alarm (at most {MOST_ALARMS}), ", end="")
    print(f"{tally.inconclusive} inconclusive")
    for words, (metric, plant) in PLANTS.items():
        print(
            f"planted, {words}: found in {found(pairs, metric, plant)} of {TRIALS} (at least {LEAST_FOUND})"
        )


if __name__ == "__main__":
    main()
