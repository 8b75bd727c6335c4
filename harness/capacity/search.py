"""The search for the highest rate that passes: doubles, then bisects.

1, 2, 4, … ─► first that fails ─► between it and the highest that passed, the geometric middle, until near enough
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from windtunnel.harness.contract.capacity import CapacityStatus, LevelState

Look = Callable[[float], LevelState]
STEPS = 16
"""Levels that are bisected at most."""
WIDEST = 0.10
"""An interval wider than this (and than what was asked for) is no answer: unresolved."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """What the search came to: the safe rate is at least `low` and below `high`."""

    status: CapacityStatus
    low: float | None
    high: float | None


def search(look: Look, *, start: float, most: float, within: float) -> Bracket:
    """Look at rates until the safe one is known to a share of `within`; `most` is how far it reaches."""
    seen: dict[float, LevelState] = {}

    def at(rate: float) -> LevelState:
        seen[rate] = look(rate)
        return seen[rate]

    rate = start
    while at(rate) != "failed":
        if rate >= most:
            last = "passed" if seen[rate] == "passed" else "unresolved"
            return Bracket("out of reach" if last == "passed" else "unresolved", _highest(seen, rate), None)
        rate = min(2 * rate, most)
    for _ in range(STEPS):
        low, high = _ends(seen)
        if low is None:
            break
        middle = _next(seen, low, high, within)
        if middle is None:
            break
        at(middle)
    low, high = _ends(seen)
    if low is None:
        return Bracket("unattainable" if high <= start else "unresolved", None, high)
    found = high <= low * (1 + max(within, WIDEST))
    return Bracket("found" if found else "unresolved", low, high)


def _ends(seen: dict[float, LevelState]) -> tuple[float | None, float]:
    """The lowest rate that failed, and the highest below it that passed."""
    high = min(rate for rate, state in seen.items() if state == "failed")
    return _highest(seen, high), high


def _highest(seen: dict[float, LevelState], upto: float) -> float | None:
    return max((rate for rate, state in seen.items() if state == "passed" and rate <= upto), default=None)


def _next(seen: dict[float, LevelState], low: float, high: float, within: float) -> float | None:
    """The middle of the wider of the two gaps beside what is unresolved between both ends; None: near enough."""
    between = sorted(rate for rate in seen if low < rate < high)
    gaps = list(pairwise((low, *between, high)))
    first, last = gaps[0], gaps[-1]
    wider = max((first, last), key=lambda gap: gap[1] / gap[0])
    if wider[1] / wider[0] <= 1 + within:
        return None
    middle = _rounded(math.sqrt(wider[0] * wider[1]))
    return middle if wider[0] < middle < wider[1] else None


def _rounded(rate: float) -> float:
    """Four digits: nobody plans with more."""
    return float(f"{rate:.4g}")
