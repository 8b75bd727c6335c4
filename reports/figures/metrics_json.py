"""metrics.json: everything a run has to say in figures."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from windtunnel.harness.contract.expectation import Expectation
from windtunnel.reports.errors import ExpectationError
from windtunnel.reports.figures.repeats import over_repeats
from windtunnel.reports.figures.seeds import held_over_seeds, over_seeds
from windtunnel.reports.figures.validity import ValidityCheck, worst
from windtunnel.reports.gate.expectations import evaluate, parse
from windtunnel.reports.read.cells import Measured, measure_cell
from windtunnel.reports.read.outcomes import Judged, judge
from windtunnel.reports.read.run_dir import Run

SCHEMA_VERSION: Final = 1


def build_metrics(run: Run, judged: Sequence[Judged] | None = None) -> dict[str, Any]:
    """The content of metrics.json, as plain JSON types.

    `judged` are the run's cells, judged, in their order; they are judged here if not given. Raises
    `ExpectationError` for an expectation that cannot be read or names no metric at all.
    """
    cells = [judge(cell) for cell in run.cells] if judged is None else judged
    return metrics_of(run, [measure_cell(cell, run.scenario) for cell in cells])


def metrics_of(run: Run, cells: Sequence[Measured], *, left_out: int = 0) -> dict[str, Any]:
    """The same from cells that are measured already; `left_out` more were planned and not played."""
    expectations = [parse(entry) for entry in run.scenario.get("expect") or []]
    worst_checks = worst([cell.checks for cell in cells])
    measured = [cell.entry for cell in cells]
    seeds = bool(run.plan.get("seeds"))
    clients = {client: _client(client, measured, seeds=seeds) for client in run.clients}
    judgements = evaluate(expectations, clients)
    if seeds:
        judgements = [entry | _held(expectations, entry, measured) for entry in judgements]
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": run.scenario["name"],
        "seed": run.plan.get("seed", run.scenario.get("seed", 0)),
        **({"seeds": run.plan["seeds"]} if seeds else {}),
        "clock": run.plan.get("clock", "real"),
        **_digest(run),
        "partial": left_out > 0 or any(cell["partial"] for cell in measured),
        "valid": all(check.passed for check in worst_checks),
        "validity": {check.name: check.value for check in worst_checks},
        "validity_checks": [_check(check) for check in worst_checks],
        "clients": clients,
        "cells": measured,
        "expectations": judgements,
    }


def _digest(run: Run) -> dict[str, Any]:
    """What a run on the virtual clock repeats exactly: a digest over its cells' records and wires; else nothing."""
    digests = {cell.folder.name: cell.digest for cell in run.cells if cell.digest is not None}
    if len(digests) < len(run.cells):
        return {}
    text = "\n".join([f"{name} {digests[name]}" for name in sorted(digests)])
    return {"digest": blake2b(text.encode(), digest_size=16).hexdigest()}


def _client(client: str, cells: Sequence[dict[str, Any]], *, seeds: bool) -> dict[str, Any]:
    own = [cell for cell in cells if cell["client"] == client]
    phases = dict.fromkeys(phase for cell in own for phase in cell["phases"])
    return {
        "overall": over_repeats([cell["overall"] for cell in own]),
        "phases": {phase: over_repeats([cell["phases"][phase] for cell in own]) for phase in phases},
        **({"seeds": over_seeds(own)} if seeds else {}),
    }


def _held(
    expectations: Sequence[Expectation], entry: dict[str, Any], cells: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """In how many seeds the expectation of an entry holds."""
    asked = (entry["metric"], entry["phase"], entry["limit"])
    one = next(e for e in expectations if (e.metric, e.phase, e.condition) == asked)
    own = [cell for cell in cells if cell["client"] == entry["client"]]
    return {"seeds": held_over_seeds(one, entry["client"], own)}


def _check(check: ValidityCheck) -> dict[str, Any]:
    return {
        "name": check.name,
        "value": check.value,
        "limit": check.limit,
        "passed": check.passed,
        "sentence": check.sentence,
    }


__all__ = ["SCHEMA_VERSION", "ExpectationError", "build_metrics", "metrics_of"]
