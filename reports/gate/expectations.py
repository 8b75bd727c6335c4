"""Expectations: `metric[@phase] <op> limit`, judged per client against its metrics over all repeats.

An expectation about a metric that is null fails; one about a metric that is absent or unknown is an error in
the input. Either way nothing else of the report depends on it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.errors import ExpectationError
from windtunnel.reports.metrics.cohort import Value

OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_FORM: Final = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:@\s*(.+?))?\s*(<=|>=|==|!=|<|>)\s*(\S+)\s*")
_SHAPE: Final = "`metric <op> limit` or `metric@phase <op> limit`, such as goodput@after >= 0.6"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a metric must be, of `clients` or, where that is None, of all."""

    text: str
    metric: str
    phase: str | None
    op: str
    limit: float | bool
    shown_limit: str
    clients: tuple[str, ...] | None = None


def parse(entry: str | Mapping[str, Any]) -> Expectation:
    """Read one element of a scenario's `expect`. Raises `ExpectationError` if it has another form."""
    clients = None
    text: Any = entry
    if isinstance(entry, Mapping):
        text = entry.get("expect")
        clients = entry.get("clients")
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ExpectationError(str(text), "another form", _SHAPE)
    metric, phase, op, limit = match.groups()
    if metric not in METRICS:
        raise ExpectationError(text, f"the unknown metric '{metric}'", "one of `windtunnel list metrics`")
    try:
        value: float | bool = limit == "true" if limit in ("true", "false") else float(limit)
    except ValueError:
        raise ExpectationError(text, f"the limit '{limit}'", "a number, true or false") from None
    return Expectation(text, metric, phase, op, value, limit, None if clients is None else tuple(clients))


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
        "limit": f"{expectation.op} {expectation.shown_limit}",
        "value": None,
        "passed": False,
    }
    group = measured["overall"] if phase is None else measured["phases"].get(phase)
    if group is None:
        expected = f"one of the phases {', '.join(measured['phases'])}"
        return entry | {"error": str(ExpectationError(expectation.text, f"the phase '{phase}'", expected))}
    if metric not in group:
        found = f"the metric '{metric}', which has no place in a run of '{client}' like this one"
        return entry | {"error": str(ExpectationError(expectation.text, found, "a metric that applies"))}
    value: Value = group[metric]["value"]
    held = value is not None and OPERATORS[expectation.op](value, expectation.limit)
    return entry | {"value": value, "passed": bool(held)}
