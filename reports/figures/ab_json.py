"""ab.json: the one place that writes a comparison of two clients as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.figures.two_clients import ScenarioComparison, Shown, TwoClients
from windtunnel.reports.gate.compare import Comparison
from windtunnel.reports.gate.paired import ALPHA, POWER

AB_SCHEMA_VERSION: Final = 1


def ab_json(found: TwoClients, folder: Path) -> dict[str, Any]:
    """The content of ab.json, as plain JSON types; run directories are named from `folder`."""
    return {
        "schema_version": AB_SCHEMA_VERSION,
        "behaviour": found.behaviour,
        "a": found.a,
        "b": found.b,
        "result": found.standing,
        "method": {
            "test": "paired sign-flip permutation test",
            "interval": "bootstrap (BCa), 95 %",
            "family": "Holm",
            "level": ALPHA,
            "power": POWER,
        },
        "floors": {name: asdict(floor) for name, floor in found.floors.items()},
        "scenarios": [_scenario(one, folder) for one in found.scenarios],
    }


def _scenario(one: ScenarioComparison, folder: Path) -> dict[str, Any]:
    return {
        "scenario": one.scenario,
        "run_dir": one.folder.relative_to(folder).as_posix(),
        "clock": one.clock,
        "result": one.standing,
        "pairs": one.pairs,
        "alike": one.alike,
        "seeds": None if one.seeds is None else list(one.seeds),
        "troubles": list(one.troubles),
        "comparisons": [comparison_json(row, one.shown.get(row.name)) for row in one.comparisons],
    }


def comparison_json(row: Comparison, shown: Shown | None = None) -> dict[str, Any]:
    """One comparison, as plain JSON types; `shown`: the call that shows it."""
    call = None
    if shown is not None:
        call = {"repeat": shown.repeat, "seed": shown.seed, **asdict(shown.call)}
    return {
        "metric": row.metric,
        "phase": row.phase,
        "better": METRICS[row.metric].better,
        "result": row.state,
        "a": row.a,
        "b": row.b,
        "difference": row.difference,
        "low": row.low,
        "high": row.high,
        "p": row.p,
        "floor": row.floor,
        "smallest": row.smallest,
        "repeats": row.repeats,
        "pairs": row.pairs,
        "of": row.of,
        **({"censored": True} if row.censored else {}),
        **({"reason": row.reason} if row.reason else {}),
        **({"call": call} if call is not None else {}),
    }
