"""Expectations: `metric[@phase] <op> limit`, judged per client against its metrics over all repeats.

An expectation about a metric that is null fails; one about a metric that is absent or unknown is an error in
the input. Either way nothing else of the report depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.errors import ExpectationError
from windtunnel.reports.metrics.cohort import Value


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


def evaluate(
    expectations: Sequence[Expectation], clients: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """An entry of metrics.json per expectation and client that it is about.

    `clients` is the key of that name of metrics.json. An entry about an absent metric has a further key
    `error`, a sentence.
    """
    return [
        _entry(expectation, client, measured)
        for expectation in expectations
        for client, measured in clients.items()
        if expectation.clients is None or client in expectation.clients
    ]


def input_errors(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The sentences of those entries that could not be judged: the scenario has to be corrected."""
    return list(dict.fromkeys(str(entry["error"]) for entry in entries if "error" in entry))


def _entry(expectation: Expectation, client: str, measured: Mapping[str, Any]) -> dict[str, Any]:
    phase, metric = expectation.phase, expectation.metric
    entry: dict[str, Any] = {
        "client": client,
        "metric": metric,
        "phase": phase,
        "limit": expectation.condition,
        "value": None,
        "passed": False,
    }
    group = measured["overall"] if phase is None else measured["phases"].get(phase)
    if group is None:
        expected = f"one of the phases {', '.join(measured['phases'])}"
        return entry | {"error": str(ExpectationError(expectation.expect, f"the phase '{phase}'", expected))}
    if metric not in group:
        found = f"the metric '{metric}', which has no place in a run of '{client}' like this one"
        return entry | {"error": str(ExpectationError(expectation.expect, found, "a metric that applies"))}
    value: Value = group[metric]["value"]
    return entry | {"value": value, "passed": bool(expectation.holds(value))}
