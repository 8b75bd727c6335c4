"""A level from its plays: warm-up cut, terms judged, and whether it settled."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from windtunnel.harness.capacity.growth import Point, growth
from windtunnel.harness.capacity.verdict import judge_term, together
from windtunnel.harness.capacity.warm_up import mser5
from windtunnel.harness.contract.capacity import SHOWN, Level, LevelCell, LevelState, TermFound
from windtunnel.harness.contract.expectation import Expectation


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges levels by an SLO. `within` is how near the safe rate is to be known, as a share of it.

    After an `incident`, what is not steady yet is what counts: no batch is cut as warm-up, and a full play that is
    beyond a limit in the mean fails, as batches that get better one by one are no chance.
    """

    slo: tuple[Expectation, ...]
    within: float
    incident: bool = False

    def level(self, rate: float, cells: Sequence[LevelCell], *, scout: bool = False) -> Level:
        """A level from its cells: the warm-up of each is cut, its batches are judged."""
        first = [0 if self.incident else first_batch(cell) for cell in cells]
        kept = [cell.batches[start:] for cell, start in zip(cells, first, strict=True)]
        terms = tuple(
            judge_term(term, [[batch.get(term.metric) for batch in batches] for batches in kept])
            for term in self.slo
        )
        flat = [batch for batches in kept for batch in batches]
        names = (*SHOWN, *(term.metric for term in self.slo))
        shown = {name: _mean([batch.get(name) for batch in flat]) for name in names}
        calls = sum(cell.calls for cell in cells)
        attempts = sum(cell.attempts for cell in cells)
        offered = calls / sum(cell.length_s for cell in cells)
        goodput = shown["goodput"]
        grown = growth([waits_of(cell) for cell in cells])
        settled = grown is None or not grown.unsettled(self.within)
        state = together([term.state for term in terms])
        if self.incident and not scout and any(term.beyond for term in terms):
            state = "failed"
        return Level(
            rate=rate,
            state=state if settled else unsettled(state, terms, len(cells), scout=scout),
            terms=terms,
            cells=len(cells),
            batches=len(flat),
            cut=sum(first),
            offered=offered,
            achieved=None if goodput is None else goodput * offered,
            tokens_per_call=sum(cell.tokens for cell in cells) / max(1, calls),
            attempts_per_call=attempts / max(1, calls),
            refused_429=sum(cell.refused_429 for cell in cells) / max(1, attempts),
            shown={name: value for name, value in shown.items() if value is not None},
            flows=tuple(
                flow for cell, start in zip(cells, first, strict=True) for flow in cell.flows[start:]
            ),
            bills=tuple(
                bill for cell, start in zip(cells, first, strict=True) for bill in cell.bills[start:]
            ),
            refused_503=sum(cell.refused_503 for cell in cells) / max(1, attempts),
            scout=scout,
            growth=None if grown is None else grown.mean,
            settled=settled,
        )


def unsettled(state: LevelState, terms: Sequence[TermFound], plays: int, *, scout: bool) -> LevelState:
    """The verdict on a level whose waits still grow: it does not pass.

    It fails where a term is beyond its limit in the mean, as later batches are worse; and after more than one full
    play. In one play a queue that comes and goes may grow by chance.
    """
    beyond = any(term.beyond for term in terms)
    if state == "failed" or beyond or plays > 1:
        return "failed"
    return state if scout else "unresolved"


def waits_of(cell: LevelCell) -> list[Point]:
    """The middle of each batch, and the mean wait of the calls that were due in it; not of batches without calls."""
    length_s = cell.length_s / len(cell.starts_s)
    batches: list[list[float]] = [[] for _ in cell.starts_s]
    end_s = cell.starts_s[-1] + length_s
    for due_s, wait_s in cell.waits:
        if cell.starts_s[0] <= due_s < end_s:
            batches[bisect_right(cell.starts_s, due_s) - 1].append(wait_s)
    return [
        (start_s + length_s / 2, fmean(waits))
        for start_s, waits in zip(cell.starts_s, batches, strict=True)
        if waits
    ]


def first_batch(cell: LevelCell) -> int:
    """The number of the first batch after the warm-up, by MSER-5 over the waits; half of them always stay."""
    cut = mser5([wait for _, wait in cell.waits])
    steady_s = cell.waits[cut][0] if cut else -math.inf
    warm = sum(start < steady_s for start in cell.starts_s)
    return min(warm, len(cell.batches) // 2)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
