"""The JSON Schema of metrics.json."""

from __future__ import annotations

from typing import Any, Final

from reports.metrics.table import METRICS
from reports.summary import SCHEMA_VERSION

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


def _measured(value: dict[str, Any], overall: tuple[str, ...]) -> dict[str, Any]:
    phases = {"type": "object", "additionalProperties": _metrics(("phase",), value)}
    return {"overall": _metrics(overall, value), "phases": phases}


def metrics_schema() -> dict[str, Any]:
    """The schema, as draft 2020-12; every metric carries its definition."""
    text, flag = {"type": "string"}, {"type": "boolean"}
    figure = _object({"value": _VALUE, "low": _NUMBER, "high": _NUMBER})
    validity = {"type": "object", "additionalProperties": _NUMBER}
    check = _object({"name": text, "value": _NUMBER, "limit": _NUMBER, "passed": flag, "sentence": text})
    client = _object(_measured(figure, ("phase", "overall", "repeats")))
    about = {"client": text, "repeat": {"type": "integer", "minimum": 0}, "partial": flag, "valid": flag}
    cell = _object(about | {"validity": validity} | _measured(_VALUE, ("phase", "overall")))
    expectation = _object(
        {
            "client": text,
            "metric": {"enum": list(METRICS)},
            "phase": {"type": ["string", "null"]},
            "limit": {"type": "string", "pattern": r"^(<=|>=|==|!=|<|>) \S+$"},
            "value": _VALUE,
            "passed": flag,
            "error": text,
        },
        optional=("error",),
    )
    top = {
        "schema_version": {"const": SCHEMA_VERSION},
        "scenario": text,
        "seed": {"type": "integer", "minimum": 0},
        "partial": {
            **flag,
            "description": "The run was cut off, or some answers have nothing to compare with.",
        },
        "valid": {**flag, "description": "Whether the measurement itself can be trusted."},
        "validity": validity,
        "validity_checks": {"type": "array", "items": check},
        "clients": {"type": "object", "additionalProperties": client},
        "cells": {"type": "array", "items": cell},
        "expectations": {"type": "array", "items": expectation},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "metrics.json of a windtunnel run",
        **_object(top),
    }
