"""matrix.json, and its JSON Schema."""

from __future__ import annotations

from typing import Any, Final, get_args

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.figures.schema import findings_schema
from windtunnel.reports.matrix.changes import changes
from windtunnel.reports.matrix.model import HEADLINES, CellState, Matrix, MatrixCell
from windtunnel.reports.matrix.ranking import rank

MATRIX_VERSION: Final = 1


def matrix_json(matrix: Matrix) -> dict[str, Any]:
    """The content of matrix.json, as plain JSON types."""
    found = changes(matrix)
    return {
        "matrix_version": MATRIX_VERSION,
        "scenarios": [
            {"name": one.name, "about": one.about, "seed": one.seed, "clock": one.clock, "folder": one.name}
            for one in matrix.scenarios
        ],
        "clients": list(matrix.clients),
        "left_out": [dict(one) for one in matrix.left_out],
        "metrics": [
            {
                "name": name,
                "label": METRICS[name].label,
                "unit": METRICS[name].unit,
                "better": METRICS[name].better,
            }
            for name in HEADLINES
        ],
        "cells": [_cell(cell) for cell in matrix.cells.values()],
        "ranking": [
            {"client": one.client, "place": one.place, "harm": one.harm, "reasons": list(one.reasons)}
            for one in rank(matrix)
        ],
        "changes": {
            client: [
                {"scenario": one.scenario, "also": list(one.also), "finding": dict(one.finding)}
                for one in own
            ]
            for client, own in found.items()
        },
    }


def _cell(cell: MatrixCell) -> dict[str, Any]:
    shown = (*HEADLINES, "recovered")
    return {
        "scenario": cell.scenario,
        "client": cell.client,
        "state": cell.state,
        "digest": cell.digest,
        "figures": {
            name: {"value": one.value, "censored": one.censored, "reason": one.reason}
            for name, one in cell.figures.items()
            if name in shown
        },
    }


def matrix_schema() -> dict[str, Any]:
    """The schema of matrix.json, as draft 2020-12."""
    text, flag, number = {"type": "string"}, {"type": "boolean"}, {"type": ["number", "null"]}
    names = {"type": "array", "items": text}
    figure = _object({"value": {"type": ["number", "boolean", "null"]}, "censored": flag, "reason": text})
    scenario = _object(
        {"name": text, "about": text, "seed": {"type": "integer"}, "clock": {"enum": ["real", "virtual"]}}
        | {"folder": {**text, "description": "The run directory, from the folder of matrix.json."}}
    )
    left_out = _object(
        {"client": text, "scenario": {**text, "description": "Empty: left out of all."}, "reason": text}
    )
    metric = _object(
        {
            "name": {"enum": list(HEADLINES)},
            "label": text,
            "unit": text,
            "better": {"enum": ["higher", "lower"]},
        }
    )
    figures = {
        name: {**figure, "description": METRICS[name].definition} for name in (*HEADLINES, "recovered")
    }
    cell = _object(
        {
            "scenario": text,
            "client": text,
            "state": {
                "enum": list(get_args(CellState)),
                "description": "There are figures if valid or noisy.",
            },
            "digest": {
                "type": ["string", "null"],
                "description": "Of behaviour; on the virtual clock, one play.",
            },
            "figures": {"type": "object", "properties": figures, "additionalProperties": False},
        }
    )
    place = {
        "type": ["integer", "null"],
        "minimum": 1,
        "description": "Equal ones share it; null: not ranked.",
    }
    harm = {**number, "description": "The mean over scenarios; 0 is best."}
    change = _object({"scenario": text, "also": names, "finding": findings_schema()["items"]})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "matrix.json of several windtunnel runs",
        **_object(
            {
                "matrix_version": {"const": MATRIX_VERSION},
                "scenarios": {"type": "array", "items": scenario},
                "clients": names,
                "left_out": {"type": "array", "items": left_out},
                "metrics": {"type": "array", "items": metric},
                "cells": {"type": "array", "items": cell},
                "ranking": {
                    "type": "array",
                    "items": _object({"client": text, "place": place, "harm": harm, "reasons": names}),
                },
                "changes": {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": change},
                    "description": "What to change, by client, the most severe first.",
                },
            }
        ),
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
