"""The SLO of a capacity search: expectations in one line, about metrics that a level has."""

from __future__ import annotations

from pydantic import ValidationError

from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.contract.metrics import METRICS, Metric
from windtunnel.harness.errors import InputError, nearest
from windtunnel.harness.inputs.scenario import Scenario

COMMAND = "windtunnel capacity"
EXAMPLE = "such as 'ttft_p95_s <= 2, goodput >= 0.99'"


def read_slo(text: str) -> tuple[Expectation, ...]:
    """The terms of an SLO, which commas part. Raises InputError at the first that is wrong."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise _wrong(f"'{text}'", f"terms with commas between, {EXAMPLE}")
    terms = tuple(map(_term, parts))
    names = [term.metric for term in terms]
    for name in names:
        if names.count(name) > 1:
            raise _wrong(f"'{name}' twice", "each metric once")
    return terms


def fits(slo: tuple[Expectation, ...], scenario: Scenario) -> None:
    """Raise InputError where a metric would have no value in this scenario."""
    for term in slo:
        needs = METRICS[term.metric].needs
        if needs == "stream" and scenario.load.stream is False:
            raise _wrong(f"'{term.metric}'", f"streamed answers: load.stream of {scenario.name} is false")
        if needs == "prices" and scenario.prices is None:
            raise _wrong(f"'{term.metric}'", f"prices in {scenario.name}")
        if needs == "gateway":
            raise _wrong(f"'{term.metric}'", "a metric of the client or the provider: levels have no gateway")


def _term(part: str) -> Expectation:
    try:
        term = Expectation.model_validate(part)
    except ValidationError:
        raise _wrong(f"'{part}'", f"`metric <op> limit`, {EXAMPLE}") from None
    metric = METRICS.get(term.metric)
    if metric is None:
        raise _wrong(
            f"the unknown metric '{term.metric}'",
            "one of `windtunnel list metrics`",
            nearest(term.metric, list(METRICS)),
        )
    if term.phase is not None:
        raise _wrong(f"'{part}'", f"'{term.metric}' without a phase: a level has batches in place of phases")
    if metric.scope != "phase" or metric.kind == "truth":
        raise _wrong(f"'{part}'", "a metric that each phase of a run has: a level is judged batch by batch")
    if isinstance(term.limit, bool) or term.op in ("==", "!="):
        raise _wrong(f"'{part}'", "a number as the limit, with <=, <, >= or >")
    _way(term, metric, part)
    return term


def _way(term: Expectation, metric: Metric, part: str) -> None:
    """More load must break a term, not make it hold."""
    wrong = {"higher": ("<=", "<"), "lower": (">=", ">"), None: ()}[metric.better]
    if term.op in wrong:
        expected = ">=" if metric.better == "higher" else "<="
        raise _wrong(f"'{part}'", f"'{term.metric} {expected} …': {metric.better} is better")


def _wrong(found: str, expected: str, hint: str = "") -> InputError:
    return InputError(COMMAND, path="--slo", found=found, expected=expected, hint=hint)
