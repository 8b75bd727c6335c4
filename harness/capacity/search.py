"""The search for the highest rate that passes: doubles, then bisects, with short plays as long as they can tell.

1, 2, 4, … scouted ─► first that fails ─► middles scouted, until near ─► full plays ─► middles, until near enough
                                                                          undecided between both ends ─► more plays
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from windtunnel.harness.capacity.verdict import LOOKS
from windtunnel.harness.contract.capacity import CapacityStatus, LevelState

SCOUT = 0
"""Instead of a number of plays: one short play. That a level fails in it is certain, that it passes is not."""
Look = Callable[[float, int], LevelState]
"""Plays the level at a rate until it has so many plays (SCOUT, or one of LOOKS), and judges it."""
COARSE = 1.12
"""How near the lowest rate that failed and the highest one below it must be before anything is played in full.

Nearer than this a short play cannot tell them apart. A looser `within` counts in its place.
"""
STEPS = 48
"""Looks that are taken at most after the doubling."""
WIDEST = 0.10
"""An interval wider than this (and than what was asked for) is no answer: unresolved."""


@dataclass(frozen=True, slots=True)
class Bracket:
    """What the search came to: the safe rate is at least `low` and below `high`."""

    status: CapacityStatus
    low: float | None
    high: float | None


class LookedAt(NamedTuple):
    """What is known of a rate: its verdict, after so many plays."""

    state: LevelState
    plays: int


def search(look: Look, *, start: float, most: float, within: float) -> Bracket:
    """Look at rates until the safe one is known to a share of `within`; `most` is how far it reaches."""
    seen: dict[float, LookedAt] = {}

    def at(rate: float, plays: int) -> LevelState:
        seen[rate] = LookedAt(look(rate, plays), plays)
        return seen[rate].state

    rate = start
    while at(rate, SCOUT) != "failed":
        if rate >= most:
            break
        rate = min(2 * rate, most)
    for _ in range(STEPS):
        step = _next(seen, within)
        if step is None:
            break
        at(*step)
    low, high = _passed(seen), _failed(seen)
    if high is None:
        return Bracket("out of reach" if low == most else "unresolved", low, None)
    if low is None:
        return Bracket("unattainable" if high <= start else "unresolved", None, high)
    found = high <= low * (1 + max(within, WIDEST))
    return Bracket("found" if found else "unresolved", low, high)


def _failed(seen: Mapping[float, LookedAt]) -> float | None:
    """The lowest rate that failed."""
    return min((rate for rate, one in seen.items() if one.state == "failed"), default=None)


def _passed(seen: Mapping[float, LookedAt]) -> float | None:
    """The highest rate below it that passed in full."""
    high = _failed(seen) or math.inf
    passed = (rate for rate, one in seen.items() if one.state == "passed" and one.plays != SCOUT)
    return max((rate for rate in passed if rate < high), default=None)


def _next(seen: Mapping[float, LookedAt], within: float) -> tuple[float, int] | None:
    """The next look: a rate, and how many plays; None: near enough, or nothing is left to be looked at."""
    high = _failed(seen)
    below = sorted(rate for rate in seen if high is None or rate < high)
    # Downwards from the end that fails: what is undecided after full plays, to the first that passes or was scouted.
    undecided: list[float] = []
    for rate in reversed(below):
        if seen[rate].plays == SCOUT or seen[rate].state == "passed":
            break
        undecided.insert(0, rate)
    else:
        return _more(seen, undecided, math.inf, within)
    if high is None:
        scouted = seen[rate].plays == SCOUT and not undecided
        return (rate, LOOKS[0]) if scouted else _more(seen, undecided, math.inf, within)
    points = (rate, *undecided, high)
    if seen[rate].plays == SCOUT:
        near = points[1] <= max(COARSE, 1 + within) * rate
        return (rate, LOOKS[0]) if near else _middle(rate, points[1], SCOUT)
    gaps = list(pairwise(points))
    first, last = max((gaps[0], gaps[-1]), key=lambda gap: gap[1] / gap[0])
    if last <= (1 + within) * first:
        return _more(seen, undecided, high / rate - 1, within)
    return _middle(first, last, SCOUT if last > COARSE**2 * first else LOOKS[0])


def _more(
    seen: Mapping[float, LookedAt], undecided: list[float], width: float, within: float
) -> tuple[float, int] | None:
    """More plays of the middle one of those that are undecided, as long as the interval is too wide for an answer.

    It is played a third time only where there would be no answer without.
    """
    most = LOOKS[-1] if width > max(within, WIDEST) else LOOKS[-2] if width > within else 0
    left = [rate for rate in undecided if seen[rate].plays < most]
    if not left:
        return None
    rate = left[len(left) // 2]
    return rate, next(plays for plays in LOOKS if plays > seen[rate].plays)


def _middle(first: float, last: float, plays: int) -> tuple[float, int] | None:
    middle = _rounded(math.sqrt(first * last))
    return (middle, plays) if first < middle < last else None


def _rounded(rate: float) -> float:
    """Four digits: nobody plans with more."""
    return float(f"{rate:.4g}")
