"""A check as JSON, for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from windtunnel.reports.check.model import CheckedExpectation, CheckedRun, CheckResult, ComparedMetric

SCHEMA_VERSION: Final = 1


def as_json(result: CheckResult) -> dict[str, Any]:
    """The content of the file, as plain JSON types."""
    return {
        "schema_version": SCHEMA_VERSION,
        "conclusion": result.conclusion,
        "exit_code": result.exit_code,
        "runs": [_run(run) for run in result.runs],
    }


def _run(run: CheckedRun) -> dict[str, Any]:
    return {
        "path": str(run.path),
        "scenario": run.scenario or None,
        "clock": run.clock or None,
        "seed": run.seed,
        "seeds": run.seeds,
        "state": run.state,
        "partial": run.partial,
        "digest": run.digest,
        "troubles": list(run.troubles),
        "wrong": list(run.wrong),
        "notes": list(run.notes),
        "expectations": [_checked(one) for one in run.checked],
        "baseline": None if run.baseline is None else str(run.baseline),
        "compared": [_compared(one) for one in run.compared],
        "goodput_over_time": {client: list(strip.shares) for client, strip in run.strips.items()},
    }


def _compared(one: ComparedMetric) -> dict[str, Any]:
    found = asdict(one.comparison)
    look = None if one.look is None else {"command": one.look.command, "told": one.look.told}
    return {"client": one.client, **found, "text": one.comparison.text, "look": look}


def _checked(one: CheckedExpectation) -> dict[str, Any]:
    metric, _, phase = one.name.partition("@")
    held = one.seeds
    return {
        "client": one.client,
        "metric": metric,
        "phase": phase or None,
        "limit": one.limit,
        "value": one.figure.value,
        "low": one.figure.low,
        "high": one.figure.high,
        "censored": one.figure.censored,
        "margin": one.margin,
        "result": one.result,
        "reason": one.reason or None,
        "seeds": None
        if held is None
        else {"count": held.count, "held": held.held, "failed": list(held.failed)},
        "look": None if one.look is None else {"command": one.look.command, "told": one.look.told},
    }
