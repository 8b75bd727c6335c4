"""The words of a check: the same on a terminal, in a pull request and in a CI system."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from windtunnel.harness.contract.metrics import Kind
from windtunnel.reports.charts.durations import duration
from windtunnel.reports.check.model import CheckedExpectation, CheckedRun, CheckResult, ComparedMetric
from windtunnel.reports.gate.compare import State
from windtunnel.reports.page.labels import limit, say

SIGNS = {"passed": "✓", "failed": "✗", "undecided": "?"}
_NUMBER = re.compile(r"([+−]?[\d.,]+)(.*)")
NONE = "–"
MOST_BETTER = 4
"""Metrics of a client that became better: they are no reason to act."""
STATES: Final[tuple[State, ...]] = (
    "worse",
    "inconclusive",
    "better",
    "no_difference",
    "same",
    "not_compared",
)


def value_text(one: CheckedExpectation) -> str:
    """The value with its unit; a lower bound says so."""
    if one.figure.value is None:
        return "not known"
    return f"{'≥ ' if one.figure.censored else ''}{say(one.figure.value, one.kind)}"


def interval_text(one: CheckedExpectation) -> str:
    """The 95 % interval over repeats or seeds; none below three of them."""
    low, high = one.figure.low, one.figure.high
    return NONE if low is None or high is None else span(say(low, one.kind), say(high, one.kind))


def span(low: str, high: str) -> str:
    """Both ends of an interval; a unit that they share is written once."""
    ends = [_NUMBER.fullmatch(end) for end in (low, high)]
    if ends[0] and ends[1] and ends[0][2] == ends[1][2]:
        return f"{ends[0][1]} to {high}"
    return f"{low} to {high}"


def limit_text(one: CheckedExpectation) -> str:
    """The limit in words: `at most 1.5×`."""
    return limit(one.limit, one.kind)


def margin_text(one: CheckedExpectation) -> str:
    """The distance to the limit, `+` where there is room."""
    if one.margin is None:
        return NONE
    bound = "" if not one.figure.censored else "≤ " if one.limit.startswith("<") else "≥ "
    return bound + signed(one.margin, one.kind)


def signed(value: float, kind: Kind) -> str:
    """A difference with its sign and unit; shares differ by points of a percentage."""
    size = abs(value)
    match kind:
        case "share":
            text = f"{_digits(100 * size, 1)} points"
        case "ratio":
            text = f"{_digits(size, 2)}×"
        case "seconds":
            text = duration(size)
        case _:
            text = say(size, kind)
    return f"{'−' if value < 0 else '+'}{text}"


def _digits(size: float, digits: int) -> str:
    """So many digits behind the point, or as many as a small number needs not to look like none."""
    return f"{size:.{digits}f}" if size == 0 or round(size, digits) else f"{size:.1g}"


def result_text(one: CheckedExpectation) -> str:
    """The result, in how many seeds it holds, and why it is undecided."""
    held = f", holds in {one.seeds.held} of {one.seeds.count} seeds" if one.seeds else ""
    return f"{one.result}{held}{f': {one.reason}' if one.reason else ''}"


def compared_cells(one: ComparedMetric) -> tuple[str, ...]:
    """Client, metric, baseline, now, difference, its interval, the floor and the verdict."""
    found, kind = one.comparison, kind_of(one)
    low, high = found.low, found.high
    interval = NONE if low is None or high is None else span(signed(low, kind), signed(high, kind))
    return (
        one.client,
        one.name,
        NONE if found.a is None else say(found.a, kind),
        NONE if found.b is None else say(found.b, kind),
        NONE if found.difference is None else signed(found.difference, kind),
        interval,
        signed(found.floor, kind)[1:],
        verdict_text(one),
    )


def kind_of(one: ComparedMetric) -> Kind:
    """How values are written; a truth is compared as the share of seeds in which it is so."""
    return "share" if one.kind == "truth" else one.kind


def verdict_text(one: ComparedMetric) -> str:
    """The state in words; behind it, what of it is not known."""
    found = one.comparison
    if found.state == "no_difference" and found.smallest is not None:
        smallest = signed(found.smallest, kind_of(one))[1:]
        return f"no difference found (the smallest that would have been found: {smallest})"
    more = f" ({found.reason})" if found.reason and found.state != "not_compared" else ""
    return f"{found.text}{more}"


def compared_summary(run: CheckedRun) -> Iterator[str]:
    """A line a client: how many metrics became what."""
    for client in dict.fromkeys(one.client for one in run.compared):
        counts = Counter(one.comparison.state for one in run.compared if one.client == client)
        if set(counts) == {"same"}:
            pairs = max(one.comparison.of for one in run.compared if one.client == client)
            yield f"{client}: same: what it did is equal in {'the seed' if pairs == 1 else f'all {pairs} seeds'}"
            continue
        words = {"no_difference": "without a difference", "not_compared": "not compared"}
        yield f"{client}: " + ", ".join(
            f"{counts[state]} {words.get(state, state)}" for state in STATES if counts[state]
        )


def open_compared(run: CheckedRun, most: int) -> tuple[list[ComparedMetric], int]:
    """What a reader has to see of a comparison, at most so many a client and state; and how many more there are."""
    shown: list[ComparedMetric] = []
    counts: Counter[tuple[str, str]] = Counter()
    for one in run.compared:
        if one.comparison.state in ("worse", "inconclusive", "better"):
            counts[one.client, one.comparison.state] += 1
            room = min(most, MOST_BETTER) if one.comparison.state == "better" else most
            if counts[one.client, one.comparison.state] <= room:
                shown.append(one)
    return shown, counts.total() - len(shown)


def sign_of(one: ComparedMetric) -> str:
    """✗ worse, ✓ better, ? inconclusive."""
    return SIGNS[one.result]


def run_text(run: CheckedRun) -> str:
    """Which run it is: scenario, clock, seeds."""
    if not run.scenario:
        return str(run.path)
    seeds = f"seeds {run.seed} to {run.seed + run.seeds - 1}" if run.seeds else f"seed {run.seed}"
    return f"{run.scenario}, {run.clock} clock, {seeds}"


def conclusion_text(result: CheckResult) -> str:
    """What all of it comes to, in one sentence."""
    return {
        "passed": f"✓ passed: {_counts(result)}",
        "failed": f"✗ failed: {_counts(result)}",
        "wrong input": "✗ the input is wrong",
        "not conclusive": f"? not conclusive: {_counts(result)}",
    }[result.conclusion]


def _counts(result: CheckResult) -> str:
    asked = len(result.checked)
    parts = [
        f"{result.count(state)} {state}" for state in ("failed", "undecided", "passed") if result.count(state)
    ]
    text = f"{asked} expectation{'' if asked == 1 else 's'}" + (f": {', '.join(parts)}" if parts else "")
    if result.compared:
        states = Counter(one.comparison.state for one in result.compared)
        told = [f"{states[state]} {state}" for state in ("worse", "inconclusive", "better") if states[state]]
        against = f"against the baseline: {', '.join(told) or 'nothing became worse'}"
        text = f"{text}; {against}" if asked else against
    invalid = sum(bool(run.troubles) for run in result.runs)
    if invalid:
        one = (
            "the measurement does not count"
            if len(result.runs) == 1
            else f"{invalid} of {len(result.runs)} measurements do not count"
        )
        return f"{one} ({text})"
    return text


def complaints(run: CheckedRun) -> Iterator[str]:
    """Everything because of which this run says nothing, or not what was asked."""
    yield from run.troubles
    yield from run.wrong
