"""Expectations: `metric[@phase] <op> limit`, judged per client against its figures over all repeats.

An expectation about a metric that is null is undecided, as is one that a lower bound cannot decide; one about a
metric that is absent or unknown is an error in the input. Either way nothing else of the report depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from windtunnel.harness.contract.cells import is_among
from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.errors import ExpectationError
from windtunnel.reports.metrics.figure import NO_FIGURE, Figure, FiguresByPhase, Value

Result = Literal["passed", "failed", "undecided"]


@dataclass(frozen=True, slots=True)
class HeldSeeds:
    """In how many of `count` seeds an expectation is `held` or `undecided`, and the first in which it `failed`."""

    count: int
    held: int
    failed: tuple[int, ...]
    undecided: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """An expectation, judged for one client by `figure`.

    It is undecided on a figure that has no value, and on a lower bound that does not tell. `error` is a sentence
    where it is about a metric that is absent.
    """

    expectation: Expectation
    client: str
    figure: Figure = NO_FIGURE
    result: Result = "undecided"
    error: str = ""
    seeds: HeldSeeds | None = None

    @property
    def value(self) -> Value:
        return self.figure.value

    @property
    def passed(self) -> bool:
        return self.result == "passed"

    @property
    def metric(self) -> str:
        return self.expectation.metric

    @property
    def phase(self) -> str | None:
        return self.expectation.phase

    @property
    def limit(self) -> str:
        """The operator and the limit as they were written."""
        return self.expectation.condition


def parse(entry: str | Mapping[str, Any]) -> Expectation:
    """Read one element of a scenario's `expect`. Raises `ExpectationError` if it has another form."""
    text = str(entry.get("expect") if isinstance(entry, Mapping) else entry)
    try:
        expectation = Expectation.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        context = first.get("ctx", {})
        found, expected = context.get("found", "another form"), context.get("expected", first["msg"])
        raise ExpectationError(text, str(found), str(expected)) from None
    if expectation.metric not in METRICS:
        found = f"the unknown metric '{expectation.metric}'"
        raise ExpectationError(text, found, "one of `windtunnel list metrics`")
    return expectation


def evaluate(expectations: Sequence[Expectation], clients: Mapping[str, FiguresByPhase]) -> list[Judgement]:
    """Judge each expectation for each client that it is about, by the client's figures."""
    return [
        _judged(expectation, client, measured)
        for expectation in expectations
        for client, measured in clients.items()
        if expectation.clients is None or is_among(client, expectation.clients)
    ]


def input_errors(judgements: Sequence[Judgement]) -> list[str]:
    """The sentences of those that could not be judged: the scenario has to be corrected."""
    return list(dict.fromkeys(one.error for one in judgements if one.error))


def overall_result(judgements: Iterable[Judgement]) -> Result:
    """What all of them come to: as long as one is undecided, so is the whole."""
    results = {judgement.result for judgement in judgements}
    return "undecided" if "undecided" in results else "failed" if "failed" in results else "passed"


def _judged(expectation: Expectation, client: str, measured: FiguresByPhase) -> Judgement:
    phase, metric = expectation.phase, expectation.metric
    if phase is not None and phase not in measured.phases:
        expected = f"one of the phases {', '.join(measured.phases)}"
        error = ExpectationError(expectation.expect, f"the phase '{phase}'", expected)
        return Judgement(expectation, client, error=str(error))
    figure = measured.of(phase).get(metric)
    if figure is None:
        found = f"the metric '{metric}', which has no place in a run of '{client}' like this one"
        error = ExpectationError(expectation.expect, found, "a metric that applies")
        return Judgement(expectation, client, error=str(error))
    return Judgement(expectation, client, figure, result_of(expectation, figure))


def result_of(expectation: Expectation, figure: Figure) -> Result:
    """Whether a figure is as expected; undecided where it has no value, or is a lower bound that does not tell."""
    if figure.value is None:
        return "undecided"
    if not figure.censored:
        return "passed" if expectation.holds(figure.value) else "failed"
    bound, limit = float(figure.value), float(expectation.limit)
    if bound < limit or (bound == limit and expectation.op not in ("<", ">=")):
        return "undecided"
    return "passed" if expectation.op in (">", ">=", "!=") else "failed"
