"""The JSON Schema of metrics.json."""

from __future__ import annotations

from typing import Any, Final

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.figures.metrics_json import SCHEMA_VERSION
from windtunnel.reports.figures.seeds import POINTS
from windtunnel.reports.figures.validity import STATES
from windtunnel.reports.findings.finding import SEVERITIES
from windtunnel.reports.findings.table import RULES

_VALUE: Final = {"type": ["number", "boolean", "null"]}
_NUMBER: Final = {"type": ["number", "null"]}


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _metrics(scopes: tuple[str, ...], value: dict[str, Any]) -> dict[str, Any]:
    """Any of the metrics of `scopes`, each described by its definition."""
    named = {
        name: {**value, "description": metric.definition}
        for name, metric in METRICS.items()
        if metric.scope in scopes
    }
    return _object(named, tuple(named))


def _spreads() -> dict[str, Any]:
    """Of a metric, or of a metric in a phase, how it is distributed over seeds."""
    count, seed = {"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 0}
    seeds = {"type": "array", "items": seed}
    extreme = _object({"value": _NUMBER, "seed": seed})
    never = {**count, "description": "Seeds in which it never came; null stands for that."}
    points = dict.fromkeys(POINTS, _NUMBER)
    numbers = {"count": count, **points, "min": extreme, "max": extreme, "never": never}
    truths = {"count": count, "share": {"type": "number"}, "yes": seeds, "no": seeds}
    either = {"oneOf": [_object(numbers, optional=("never",)), _object(truths)]}
    known = "|".join(METRICS)
    return {
        "type": "object",
        "patternProperties": {f"^({known})(@.+)?$": either},
        "additionalProperties": False,
        "description": "metric or metric@phase; in a run over seeds alone.",
    }


def _measured(value: dict[str, Any], overall: tuple[str, ...]) -> dict[str, Any]:
    phases = {"type": "object", "additionalProperties": _metrics(("phase",), value)}
    return {"overall": _metrics(overall, value), "phases": phases}


def _errors() -> dict[str, Any]:
    """The errors that ended a client's calls."""
    said: dict[str, Any] = {"type": ["string", "null"]}
    count = {"type": "integer", "minimum": 0}
    error = _object(
        {
            "type": {"type": "string"},
            "message": {**said, "description": "The first of those that differ in numbers and ids alone."},
            "place": {**said, "description": "file:line in the code of the user's own callable."},
            "count": {**count, "description": "Calls that ended with it."},
            "calls": {**count, "description": "Calls there were."},
        }
    )
    return {"type": "array", "items": error, "description": "The most frequent first, at most 10."}


def findings_schema() -> dict[str, Any]:
    """What to change in a client, the most severe first."""
    text = {"type": "string"}
    count = {"type": "integer", "minimum": 0}
    key = {
        "type": ["string", "null"],
        "description": "The key path of the profile that cures it; null: none does.",
    }
    finding = _object(
        {
            "rule": {"enum": list(RULES)},
            "severity": {"enum": list(SEVERITIES.values())},
            "sentence": {**text, "description": "What was found, with its numbers."},
            "count": {**count, "description": "In how many it was found,"},
            "of": {**count, "description": "of how many that it could be found in."},
            "calls": {
                "type": "array",
                "items": text,
                "description": "Calls that show it, the clearest first.",
            },
            "cure": {**text, "description": "What to change, in words."},
            "key": key,
            "setting": {**text, "description": "What to write at `key`, as YAML."},
            "repeat": {**count, "description": "The repeat that the calls are of."},
        }
    )
    return {"type": "array", "items": finding, "description": "What to change, from the records."}


def _grid() -> dict[str, Any]:
    """Of a scenario that varies: what is best in each column."""
    text, name = {"type": "string"}, {"type": ["string", "null"]}
    best = {
        "client": text,
        "column": {"type": ["string", "number", "boolean", "null"]},
        "best": {**name, "description": "The cell with the best figure; null: no cell is a candidate."},
        "chosen": {**name, "description": "The smallest of the best and those that are alike."},
        "alike": {
            "type": "array",
            "items": text,
            "description": "Cells that are as good as the best, as far as can be told.",
        },
        "next": {**name, "description": "The best of those that are worse."},
        "margin": {
            "type": ["number", "null"],
            "description": "By what share of the value of `next` the best is better.",
        },
    }
    top = {
        "metric": {"enum": list(METRICS)},
        "columns": text,
        "rows": name,
        "panels": {"type": "array", "items": text},
        "compared_by": {
            "enum": ["repeats", "stretches", None],
            "description": "What a difference is held against: repeats, stretches of time of one play, or nothing.",
        },
        "best": {"type": "array", "items": _object(best)},
    }
    return {**_object(top), "description": "Of a scenario that varies: what is best in each column."}


def metrics_schema() -> dict[str, Any]:
    """The schema, as draft 2020-12; every metric carries its definition."""
    text, flag = {"type": "string"}, {"type": "boolean"}
    state = {"enum": list(STATES)}
    doubt = {
        "censored": {**flag, "description": "The value is a lower bound: something was cut off."},
        "reason": {**text, "description": "Why there is no value, or what it is over."},
    }
    figure = _object(
        {"value": _VALUE, "low": _NUMBER, "high": _NUMBER} | doubt, optional=("censored", "reason")
    )
    validity = {"type": "object", "additionalProperties": _NUMBER}
    check = _object(
        {"name": text, "value": _NUMBER, "limit": _NUMBER, "noisy_limit": _NUMBER}
        | {"state": state, "sentence": text}
    )
    whole = {"type": "integer", "minimum": 0}
    versions = {
        "type": "object",
        "additionalProperties": text,
        "description": "What the client's own interpreter has; absent if the run's own played it.",
    }
    varied = {
        "type": "object",
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        "description": "Where the scenario varies: in what this cell differs from others of its client.",
    }
    client = _object(
        _measured(figure, ("phase", "overall", "repeats"))
        | {
            "seeds": _spreads(),
            "errors": _errors(),
            "findings": findings_schema(),
            "measured": flag,
            "versions": versions,
            "varied": varied,
        },
        optional=("seeds", "versions", "findings", "varied"),
    )
    about = {
        "client": text,
        "repeat": whole,
        "seed": {**whole, "description": "The --seed that plays this cell again, as the first repeat."},
        "digest": {
            **text,
            "description": "Equal where clients did the same: outcomes, content, times, statuses; what only names a "
            "client is left out. On the virtual clock alone.",
        },
        "wire_digest": {**text, "description": "Equal where every record and every byte sent are."},
        "partial": flag,
        "state": state,
        "damages": {
            "type": "array",
            "items": text,
            "description": "What of the records is damaged. Figures that need it are null.",
        },
    }
    cell = _object(
        about | {"validity": validity} | _measured(figure, ("phase", "overall")),
        optional=("seed", "digest", "wire_digest", "damages"),
    )
    held = _object(
        {"count": whole, "held": whole, "undecided": whole, "failed": {"type": "array", "items": whole}},
        optional=("undecided",),
    )
    expectation = _object(
        {
            "client": text,
            "metric": {"enum": list(METRICS)},
            "phase": {"type": ["string", "null"]},
            "limit": {"type": "string", "pattern": r"^(<=|>=|==|!=|<|>) \S+$"},
            "value": _VALUE,
            "result": {"enum": ["passed", "failed", "undecided"]},
            **doubt,
            "seeds": {
                **held,
                "description": "In how many seeds it holds, and the first in which it does not.",
            },
            "error": text,
        },
        optional=("censored", "reason", "seeds", "error"),
    )
    death = _object(
        {
            "client": text,
            "repeat": whole,
            "at_s": {**_NUMBER, "description": "Seconds from t0; null: before it."},
            "how": text,
        }
    )
    top = {
        "schema_version": {"const": SCHEMA_VERSION},
        "behaviour": {
            "type": "integer",
            "minimum": 1,
            "description": "Raised whenever digests of the gallery change.",
        },
        "scenario": text,
        "seed": {"type": "integer", "minimum": 0},
        "seeds": {**whole, "description": "Seeds that were asked for, from `seed` on; in a run over seeds."},
        "clock": {"enum": ["real", "virtual"]},
        "digest": {**text, "description": "Equal where all cells' digests are; on the virtual clock alone."},
        "wire_digest": {**text, "description": "Equal where all cells' wire digests are."},
        "partial": {
            **flag,
            "description": "The run was cut off, or some answers have nothing to compare with.",
        },
        "validity": {
            **validity,
            "properties": {"state": {**state, "description": "What the measurement itself is worth."}},
            "required": ["state"],
        },
        "validity_checks": {"type": "array", "items": check},
        "clients": {"type": "object", "additionalProperties": client},
        "cells": {"type": "array", "items": cell},
        "expectations": {"type": "array", "items": expectation},
        "late_arrivals": {
            **_object({"count": whole, "of": whole, "end_s": {"type": "number"}}),
            "description": "Replayed arrivals after the end of the last phase: no figure counts them.",
        },
        "gateway": {
            **_object({"name": text, "about": text, "deaths": {"type": "array", "items": death}}),
            "description": "What stood between client and provider, and the cells in which it ended by itself. Its "
            "figures are the metrics gateway_*.",
        },
        "grid": _grid(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "metrics.json of a windtunnel run",
        **_object(top, optional=("seeds", "digest", "wire_digest", "late_arrivals", "gateway", "grid")),
    }
