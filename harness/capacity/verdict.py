"""Whether a level keeps the SLO: a sequential rule over the batches of a short play, then of one, three, seven.

At each look a t interval of the mean over batches decides if it lies on one side of the limit. The error of 5 % is
shared among the looks. Where batches that follow each other are alike, they count as fewer. Where they get worse and
worse and the mean is beyond the limit, they are judged about a line: what is to come is beyond the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.stats import t as student

from windtunnel.harness.contract.capacity import LevelState, TermFound
from windtunnel.harness.contract.expectation import Expectation

LOOKS = (1, 3, 7)
"""How many full plays there are at each look; a short play, which can only fail, is a look before them."""
ERROR = 0.05
SHARE = ERROR / (1 + len(LOOKS))
"""What each look has of the error."""
FAR = 10.0
"""A batch without a value counts as so many times the limit beyond it."""
LEAST = 1e-9


def judge_term(term: Expectation, plays: Sequence[Sequence[float | None]]) -> TermFound:
    """The verdict on one term from the values of its batches, play by play."""
    values = [value for play in plays for value in play]
    if not values:
        return TermFound(term.expect, None, None, None, "unresolved")
    missing = sum(value is None for value in values)
    if 2 * missing >= len(values):
        return TermFound(term.expect, None, None, None, "failed", beyond=True)
    limit = float(term.limit)
    upward = term.op in ("<=", "<")
    worst = limit + (FAR if upward else -FAR) * max(abs(limit), LEAST)
    filled = [[worst if value is None else value for value in play] for play in plays]
    low, mean, high = interval(filled)
    state: LevelState = "unresolved"
    if term.holds(low) and term.holds(high):
        state = "passed"
    elif not term.holds(low) and not term.holds(high):
        state = "failed"
    elif not term.holds(mean) and _worsens(filled, upward=upward):
        near, _, far = interval(_without_line(filled))
        state = "unresolved" if term.holds(mean + near) or term.holds(mean + far) else "failed"
    beyond = not term.holds(mean)
    if missing:
        return TermFound(
            term.expect, None, None if not upward else low, None if upward else high, state, beyond
        )
    return TermFound(term.expect, mean, low, high, state, beyond)


def interval(plays: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Lower bound, mean and upper bound of the mean over all batches, at one look's share of the error."""
    values = np.asarray([value for play in plays for value in play], dtype=float)
    mean = float(values.mean())
    deviation = float(values.std(ddof=1)) if len(values) > 1 else math.inf
    if deviation <= LEAST * max(1.0, abs(mean)):
        return mean, mean, mean
    if len(values) < 2:
        return -math.inf, mean, math.inf
    worth = max(2.0, len(values) / alike(plays))
    half = float(student.ppf(1 - SHARE / 2, worth - 1)) * deviation / math.sqrt(worth)
    return mean - half, mean, mean + half


def _slope(plays: Sequence[Sequence[float]]) -> float:
    """By how much values change from batch to batch, by least squares, in all plays alike."""
    pairs = [(at - (len(play) - 1) / 2, value) for play in plays for at, value in enumerate(play)]
    spread = sum(at**2 for at, _ in pairs)
    return sum(at * value for at, value in pairs) / spread if spread else 0.0


def _worsens(plays: Sequence[Sequence[float]], *, upward: bool) -> bool:
    """Whether later batches are worse than earlier ones: then what is to come is worse than the mean."""
    slope = _slope(plays)
    return slope > 0 if upward else slope < 0


def _without_line(plays: Sequence[Sequence[float]]) -> list[list[float]]:
    """What is left of the values when their mean and their trend are taken out.

    A queue that grows makes batches as different as the growth is, though none of them is near the limit.
    """
    slope = _slope(plays)
    mean = float(np.mean([value for play in plays for value in play]))
    return [
        [value - mean - slope * (at - (len(play) - 1) / 2) for at, value in enumerate(play)] for play in plays
    ]


def alike(plays: Sequence[Sequence[float]]) -> float:
    """How many batches in a row count as one: (1 + r) ÷ (1 - r), with the correlation r of neighbours, if positive."""
    mean = float(np.mean([value for play in plays for value in play]))
    about = sum((value - mean) ** 2 for play in plays for value in play)
    pairs = sum((one - mean) * (other - mean) for play in plays for one, other in pairwise(play))
    r = min(0.9, max(0.0, pairs / about))
    return (1 + r) / (1 - r)


def together(states: Sequence[LevelState]) -> LevelState:
    """The SLO fails where a term fails, and passes where all pass."""
    if "failed" in states:
        return "failed"
    return "passed" if all(state == "passed" for state in states) else "unresolved"
