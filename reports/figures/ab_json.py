"""ab.json: the one place that writes a comparison of two clients as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, get_args

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.figures.json_schema import DRAFT, NUMBER, TEXT, TEXT_OR_NULL, list_of, object_of
from windtunnel.reports.figures.two_clients import ScenarioComparison, Shown, TwoClients
from windtunnel.reports.gate.compare import Comparison, State, Verdict
from windtunnel.reports.gate.paired import ALPHA, POWER

AB_SCHEMA_VERSION: Final = 1
_WHOLE: Final = {"type": ["integer", "null"], "minimum": 0}
_RESULT: Final = {"enum": [*get_args(Verdict), "invalid"]}


def ab_json(found: TwoClients, folder: Path) -> dict[str, Any]:
    """The content of ab.json, as plain JSON types; run directories are named from `folder`."""
    return {
        "schema_version": AB_SCHEMA_VERSION,
        "behaviour": found.behaviour,
        "a": found.a,
        "b": found.b,
        "versions": {name: {"a": a, "b": b} for name, (a, b) in found.versions.items()},
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
        "first_difference": None if one.first is None else asdict(one.first),
        "errors": {name: {"a": a, "b": b} for name, (a, b) in one.errors.items()},
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


def ab_schema() -> dict[str, Any]:
    """The JSON Schema of ab.json, as draft 2020-12."""
    versions = {
        "type": "object",
        "additionalProperties": object_of({"a": TEXT, "b": TEXT}),
        "description": "Of what both are played with, where they are not alike.",
    }
    floor = object_of({"absolute": {"type": "number"}, "share": {"type": "number"}})
    top = {
        "schema_version": {"const": AB_SCHEMA_VERSION},
        "behaviour": {"type": "integer", "minimum": 1},
        "a": TEXT,
        "b": TEXT,
        "versions": versions,
        "result": _RESULT,
        "method": {"type": "object"},
        "floors": {"type": "object", "additionalProperties": floor},
        "scenarios": list_of(_scenario_schema()),
    }
    return {"$schema": DRAFT, "title": "ab.json of windtunnel ab", **object_of(top)}


def _scenario_schema() -> dict[str, Any]:
    at = object_of(dict.fromkeys(("call_id", "table", "column", "a", "b"), TEXT))
    first = object_of({"repeat": _WHOLE, "seed": _WHOLE, "at": at})
    return object_of(
        {
            "scenario": TEXT,
            "run_dir": {**TEXT, "description": "From the folder of ab.json."},
            "clock": TEXT,
            "result": _RESULT,
            "pairs": _WHOLE,
            "alike": {**_WHOLE, "description": "Pairs with equal digests of behaviour."},
            "seeds": {"type": ["array", "null"], "items": _WHOLE},
            "troubles": list_of(TEXT),
            "first_difference": {
                **first,
                "type": ["object", "null"],
                "description": "Where they first did otherwise, in the first pair that is not alike.",
            },
            "errors": {"type": "object", "additionalProperties": object_of({"a": _WHOLE, "b": _WHOLE})},
            "comparisons": list_of(_comparison_schema()),
        }
    )


def _comparison_schema() -> dict[str, Any]:
    side = object_of({"outcome": TEXT, "wait_s": NUMBER, "attempts": _WHOLE})
    call = object_of({"repeat": _WHOLE, "seed": _WHOLE, "call_id": TEXT, "a": side, "b": side})
    return object_of(
        {
            "metric": {"enum": list(METRICS)},
            "phase": TEXT_OR_NULL,
            "better": {"enum": ["higher", "lower"]},
            "result": {"enum": list(get_args(State))},
            **dict.fromkeys(("a", "b", "difference", "low", "high", "p"), NUMBER),
            "floor": {"type": "number"},
            "smallest": {**NUMBER, "description": "What would have been found with a power of 0.9."},
            "repeats": {
                **_WHOLE,
                "description": "Pairs that an inconclusive one needs; null: more than 10,000.",
            },
            "pairs": {**_WHOLE, "description": "Pairs with both values, of `of`."},
            "of": _WHOLE,
            "censored": {"type": "boolean", "description": "Some values are lower bounds."},
            "reason": TEXT,
            "call": {**call, "description": "The call that differs most, of what is worse."},
        },
        optional=("censored", "reason", "call"),
    )
