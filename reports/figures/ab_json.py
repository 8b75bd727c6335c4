"""ab.json: the one place that writes a comparison of two clients as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, get_args

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.figures.two_clients import ScenarioComparison, Shown, TwoClients
from windtunnel.reports.gate.compare import Comparison, State, Verdict
from windtunnel.reports.gate.paired import ALPHA, POWER

AB_SCHEMA_VERSION: Final = 1
_NUMBER: Final = {"type": ["number", "null"]}
_WHOLE: Final = {"type": ["integer", "null"], "minimum": 0}
_TEXT: Final = {"type": "string"}


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
    side = _object({"outcome": _TEXT, "wait_s": _NUMBER, "attempts": _WHOLE})
    call = _object({"repeat": _WHOLE, "seed": _WHOLE, "call_id": _TEXT, "a": side, "b": side})
    row = _object(
        {
            "metric": {"enum": list(METRICS)},
            "phase": {"type": ["string", "null"]},
            "better": {"enum": ["higher", "lower"]},
            "result": {"enum": list(get_args(State))},
            **dict.fromkeys(("a", "b", "difference", "low", "high", "p"), _NUMBER),
            "floor": {"type": "number"},
            "smallest": {**_NUMBER, "description": "What would have been found with a power of 0.9."},
            "repeats": {
                **_WHOLE,
                "description": "Pairs that an inconclusive one needs; null: more than 10,000.",
            },
            "pairs": {**_WHOLE, "description": "Pairs with both values, of `of`."},
            "of": _WHOLE,
            "censored": {"type": "boolean", "description": "Some values are lower bounds."},
            "reason": _TEXT,
            "call": {**call, "description": "The call that differs most, of what is worse."},
        },
        optional=("censored", "reason", "call"),
    )
    result = {"enum": [*get_args(Verdict), "invalid"]}
    at = _object(dict.fromkeys(("call_id", "table", "column", "a", "b"), _TEXT))
    first = _object({"repeat": _WHOLE, "seed": _WHOLE, "at": at})
    scenario = _object(
        {
            "scenario": _TEXT,
            "run_dir": {**_TEXT, "description": "From the folder of ab.json."},
            "clock": _TEXT,
            "result": result,
            "pairs": _WHOLE,
            "alike": {**_WHOLE, "description": "Pairs with equal digests of behaviour."},
            "seeds": {"type": ["array", "null"], "items": _WHOLE},
            "troubles": {"type": "array", "items": _TEXT},
            "first_difference": {
                **first,
                "type": ["object", "null"],
                "description": "Where they first did otherwise, in the first pair that is not alike.",
            },
            "errors": {"type": "object", "additionalProperties": _object({"a": _WHOLE, "b": _WHOLE})},
            "comparisons": {"type": "array", "items": row},
        }
    )
    floor = _object({"absolute": {"type": "number"}, "share": {"type": "number"}})
    top = {
        "schema_version": {"const": AB_SCHEMA_VERSION},
        "behaviour": {"type": "integer", "minimum": 1},
        "a": _TEXT,
        "b": _TEXT,
        "versions": {
            "type": "object",
            "additionalProperties": _object({"a": _TEXT, "b": _TEXT}),
            "description": "Of what both are played with, where they are not alike.",
        },
        "result": result,
        "method": {"type": "object"},
        "floors": {"type": "object", "additionalProperties": floor},
        "scenarios": {"type": "array", "items": scenario},
    }
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, "title": "ab.json of windtunnel ab", **_object(top)}


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
