"""The JSON Schema of metrics.json."""

from __future__ import annotations

from typing import Any, Final

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.figures.json_schema import (
    COUNT,
    DRAFT,
    FLAG,
    NUMBER,
    TEXT,
    TEXT_OR_NULL,
    VALUE,
    list_of,
    object_of,
)
from windtunnel.reports.figures.metrics_json import SCHEMA_VERSION
from windtunnel.reports.figures.seeds import POINTS
from windtunnel.reports.figures.validity import STATES
from windtunnel.reports.findings.finding import SEVERITIES
from windtunnel.reports.findings.table import RULES

_SETTING: Final = {"type": ["string", "number", "boolean", "null"]}
_DOUBT: Final = {
    "censored": {**FLAG, "description": "The value is a lower bound: something was cut off."},
    "reason": {**TEXT, "description": "Why there is no value, or what it is over."},
}
_STATE: Final = {"enum": list(STATES)}
_VALIDITY: Final = {"type": "object", "additionalProperties": NUMBER}


def metrics_schema() -> dict[str, Any]:
    """The schema, as draft 2020-12; every metric carries its definition."""
    figure = object_of({"value": VALUE, "low": NUMBER, "high": NUMBER} | _DOUBT, optional=tuple(_DOUBT))
    top = {
        "schema_version": {"const": SCHEMA_VERSION},
        "behaviour": {
            "type": "integer",
            "minimum": 1,
            "description": "Raised whenever digests of the gallery change.",
        },
        "scenario": TEXT,
        "seed": COUNT,
        "seeds": {**COUNT, "description": "Seeds that were asked for, from `seed` on; in a run over seeds."},
        "clock": {"enum": ["real", "virtual"]},
        "digest": {**TEXT, "description": "Equal where all cells' digests are; on the virtual clock alone."},
        "wire_digest": {**TEXT, "description": "Equal where all cells' wire digests are."},
        "partial": {
            **FLAG,
            "description": "The run was cut off, or some answers have nothing to compare with.",
        },
        "validity": {
            **_VALIDITY,
            "properties": {"state": {**_STATE, "description": "What the measurement itself is worth."}},
            "required": ["state"],
        },
        "validity_checks": list_of(_check()),
        "clients": {"type": "object", "additionalProperties": _client(figure)},
        "cells": list_of(_cell(figure)),
        "expectations": list_of(_expectation()),
        "late_arrivals": {
            **object_of({"count": COUNT, "of": COUNT, "end_s": {"type": "number"}}),
            "description": "Replayed arrivals after the end of the last phase: no figure counts them.",
        },
        "gateway": _gateway(),
        "grid": _grid(),
    }
    absent = ("seeds", "digest", "wire_digest", "late_arrivals", "gateway", "grid")
    return {"$schema": DRAFT, "title": "metrics.json of a windtunnel run", **object_of(top, optional=absent)}


def _check() -> dict[str, Any]:
    """A limit of validity, and what was measured."""
    limits = {"name": TEXT, "value": NUMBER, "limit": NUMBER, "noisy_limit": NUMBER}
    return object_of(limits | {"state": _STATE, "sentence": TEXT})


def _client(figure: dict[str, Any]) -> dict[str, Any]:
    """A client's figures over all its repeats, and what is said of it."""
    versions = {
        "type": "object",
        "additionalProperties": TEXT,
        "description": "What the client's own interpreter has; absent if the run's own played it.",
    }
    varied = {
        "type": "object",
        "additionalProperties": _SETTING,
        "description": "Where the scenario varies: in what this cell differs from others of its client.",
    }
    return object_of(
        _measured(figure, ("phase", "overall", "repeats"))
        | {
            "seeds": _spreads(),
            "errors": _errors(),
            "findings": findings_schema(),
            "measured": FLAG,
            "versions": versions,
            "varied": varied,
        },
        optional=("seeds", "versions", "findings", "varied"),
    )


def _cell(figure: dict[str, Any]) -> dict[str, Any]:
    """The figures of one client in one repeat."""
    about = {
        "client": TEXT,
        "repeat": COUNT,
        "seed": {**COUNT, "description": "The --seed that plays this cell again, as the first repeat."},
        "digest": {
            **TEXT,
            "description": "Equal where clients did the same: outcomes, content, times, statuses; what only names a "
            "client is left out. On the virtual clock alone.",
        },
        "wire_digest": {**TEXT, "description": "Equal where every record and every byte sent are."},
        "partial": FLAG,
        "state": _STATE,
        "damages": {
            **list_of(TEXT),
            "description": "What of the records is damaged. Figures that need it are null.",
        },
    }
    return object_of(
        about | {"validity": _VALIDITY} | _measured(figure, ("phase", "overall")),
        optional=("seed", "digest", "wire_digest", "damages"),
    )


def _expectation() -> dict[str, Any]:
    """An expectation of the scenario, and whether it holds."""
    held = object_of(
        {"count": COUNT, "held": COUNT, "undecided": COUNT, "failed": list_of(COUNT)},
        optional=("undecided",),
    )
    return object_of(
        {
            "client": TEXT,
            "metric": {"enum": list(METRICS)},
            "phase": TEXT_OR_NULL,
            "limit": {"type": "string", "pattern": r"^(<=|>=|==|!=|<|>) \S+$"},
            "value": VALUE,
            "result": {"enum": ["passed", "failed", "undecided"]},
            **_DOUBT,
            "seeds": {
                **held,
                "description": "In how many seeds it holds, and the first in which it does not.",
            },
            "error": TEXT,
        },
        optional=("censored", "reason", "seeds", "error"),
    )


def _gateway() -> dict[str, Any]:
    """What stood between client and provider."""
    at_s = {**NUMBER, "description": "Seconds from t0; null: before it."}
    death = object_of({"client": TEXT, "repeat": COUNT, "at_s": at_s, "how": TEXT})
    return {
        **object_of({"name": TEXT, "about": TEXT, "deaths": list_of(death)}),
        "description": "What stood between client and provider, and the cells in which it ended by itself. Its "
        "figures are the metrics gateway_*.",
    }


def _metrics(scopes: tuple[str, ...], value: dict[str, Any]) -> dict[str, Any]:
    """Any of the metrics of `scopes`, each described by its definition."""
    named = {
        name: {**value, "description": metric.definition}
        for name, metric in METRICS.items()
        if metric.scope in scopes
    }
    return object_of(named, tuple(named))


def _spreads() -> dict[str, Any]:
    """Of a metric, or of a metric in a phase, how it is distributed over seeds."""
    seeds = list_of(COUNT)
    extreme = object_of({"value": NUMBER, "seed": COUNT})
    never = {**COUNT, "description": "Seeds in which it never came; null stands for that."}
    points = dict.fromkeys(POINTS, NUMBER)
    numbers = {"count": COUNT, **points, "min": extreme, "max": extreme, "never": never}
    truths = {"count": COUNT, "share": {"type": "number"}, "yes": seeds, "no": seeds}
    either = {"oneOf": [object_of(numbers, optional=("never",)), object_of(truths)]}
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
    error = object_of(
        {
            "type": TEXT,
            "message": {
                **TEXT_OR_NULL,
                "description": "The first of those that differ in numbers and ids alone.",
            },
            "place": {**TEXT_OR_NULL, "description": "file:line in the code of the user's own callable."},
            "count": {**COUNT, "description": "Calls that ended with it."},
            "calls": {**COUNT, "description": "Calls there were."},
        }
    )
    return {**list_of(error), "description": "The most frequent first, at most 10."}


def findings_schema() -> dict[str, Any]:
    """What to change in a client, the most severe first."""
    key = {**TEXT_OR_NULL, "description": "The key path of the profile that cures it; null: none does."}
    finding = object_of(
        {
            "rule": {"enum": list(RULES)},
            "severity": {"enum": list(SEVERITIES.values())},
            "sentence": {**TEXT, "description": "What was found, with its numbers."},
            "count": {**COUNT, "description": "In how many it was found,"},
            "of": {**COUNT, "description": "of how many that it could be found in."},
            "calls": {**list_of(TEXT), "description": "Calls that show it, the clearest first."},
            "cure": {**TEXT, "description": "What to change, in words."},
            "key": key,
            "setting": {**TEXT, "description": "What to write at `key`, as YAML."},
            "repeat": {**COUNT, "description": "The repeat that the calls are of."},
        }
    )
    return {**list_of(finding), "description": "What to change, from the records."}


def _grid() -> dict[str, Any]:
    """Of a scenario that varies: what is best in each column."""
    best = {
        "client": TEXT,
        "column": _SETTING,
        "best": {
            **TEXT_OR_NULL,
            "description": "The cell with the best figure; null: no cell is a candidate.",
        },
        "chosen": {**TEXT_OR_NULL, "description": "The smallest of the best and those that are alike."},
        "alike": {
            **list_of(TEXT),
            "description": "Cells that are as good as the best, as far as can be told.",
        },
        "next": {**TEXT_OR_NULL, "description": "The best of those that are worse."},
        "margin": {
            **NUMBER,
            "description": "By what share of the value of `next` the best is better.",
        },
    }
    top = {
        "metric": {"enum": list(METRICS)},
        "columns": TEXT,
        "rows": TEXT_OR_NULL,
        "panels": list_of(TEXT),
        "compared_by": {
            "enum": ["repeats", "stretches", None],
            "description": "What a difference is held against: repeats, stretches of time of one play, or nothing.",
        },
        "best": list_of(object_of(best)),
    }
    return {**object_of(top), "description": "Of a scenario that varies: what is best in each column."}
