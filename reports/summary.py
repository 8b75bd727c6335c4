"""metrics.json: everything a run has to say in figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from reports.aggregate import over_repeats
from reports.errors import ExpectationError
from reports.expectations import evaluate, parse
from reports.load import Run
from reports.metrics.cohort import cohort_of
from reports.metrics.table import measure
from reports.outcomes import Judged, judge
from reports.validity import Check, check_cell, worst

SCHEMA_VERSION: Final = 1


def build_metrics(run: Run, judged: Sequence[Judged] | None = None) -> dict[str, Any]:
    """The content of metrics.json, as plain JSON types.

    `judged` are the run's cells, judged, in their order; they are judged here if not given. Raises
    `ExpectationError` for an expectation that cannot be read or names no metric at all.
    """
    expectations = [parse(entry) for entry in run.scenario.get("expect") or []]
    cells = [judge(cell) for cell in run.cells] if judged is None else list(judged)
    checks = [check_cell(cell) for cell in cells]
    worst_checks = worst(checks)
    measured = [_cell(run, cell, found) for cell, found in zip(cells, checks, strict=True)]
    clients = {client: _client(client, measured) for client in run.clients}
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": run.scenario["name"],
        "seed": run.plan.get("seed", run.scenario.get("seed", 0)),
        "partial": any(cell["partial"] for cell in measured),
        "valid": all(check.passed for check in worst_checks),
        "validity": {check.name: check.value for check in worst_checks},
        "validity_checks": [_check(check) for check in worst_checks],
        "clients": clients,
        "cells": measured,
        "expectations": evaluate(expectations, clients),
    }


def _cell(run: Run, judged: Judged, checks: Sequence[Check]) -> dict[str, Any]:
    cell = judged.cell
    return {
        "client": cell.client,
        "repeat": cell.repeat,
        "partial": cell.partial or bool((judged.calls["outcome"] == "unknown").any()),
        "valid": all(check.passed for check in checks),
        "validity": {check.name: check.value for check in checks},
        "overall": measure(cohort_of(judged, run.scenario)),
        "phases": {phase.name: measure(cohort_of(judged, run.scenario, phase)) for phase in cell.phases},
    }


def _client(client: str, cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    own = [cell for cell in cells if cell["client"] == client]
    phases = dict.fromkeys(phase for cell in own for phase in cell["phases"])
    return {
        "overall": over_repeats([cell["overall"] for cell in own]),
        "phases": {phase: over_repeats([cell["phases"][phase] for cell in own]) for phase in phases},
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "value": check.value,
        "limit": check.limit,
        "passed": check.passed,
        "sentence": check.sentence,
    }


__all__ = ["SCHEMA_VERSION", "ExpectationError", "build_metrics"]
