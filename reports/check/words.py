"""The words of a check: the same on a terminal, in a pull request and in a CI system."""

from __future__ import annotations

from collections.abc import Iterator

from windtunnel.harness.contract.metrics import Kind
from windtunnel.reports.charts.durations import duration
from windtunnel.reports.check.model import CheckedExpectation, CheckedRun, CheckResult
from windtunnel.reports.page.labels import limit, say

SIGNS = {"passed": "✓", "failed": "✗", "undecided": "?"}
NONE = "–"


def value_text(one: CheckedExpectation) -> str:
    """The value with its unit; a lower bound says so."""
    if one.figure.value is None:
        return "not known"
    return f"{'≥ ' if one.figure.censored else ''}{say(one.figure.value, one.kind)}"


def interval_text(one: CheckedExpectation) -> str:
    """The 95 % interval over repeats or seeds; none below three of them."""
    low, high = one.figure.low, one.figure.high
    return NONE if low is None or high is None else f"{say(low, one.kind)} to {say(high, one.kind)}"


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
        "wrong input": "✗ the input is wrong: see above",
        "not conclusive": f"? not conclusive: {_counts(result)}",
    }[result.conclusion]


def _counts(result: CheckResult) -> str:
    asked = len(result.checked)
    parts = [
        f"{result.count(state)} {state}" for state in ("failed", "undecided", "passed") if result.count(state)
    ]
    text = f"{asked} expectation{'' if asked == 1 else 's'}" + (f": {', '.join(parts)}" if parts else "")
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
