"""matrix.json, and its JSON Schema."""

from __future__ import annotations

from typing import Any, Final, get_args

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.figures.json_schema import (
    DRAFT,
    FLAG,
    NUMBER,
    TEXT,
    TEXT_OR_NULL,
    VALUE,
    list_of,
    object_of,
)
from windtunnel.reports.figures.schema import findings_schema
from windtunnel.reports.matrix.changes import changes
from windtunnel.reports.matrix.model import HEADLINES, CellState, Matrix, MatrixCell
from windtunnel.reports.matrix.ranking import rank

MATRIX_VERSION: Final = 1
_SHOWN: Final = (*HEADLINES, "recovered")


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
    return {
        "scenario": cell.scenario,
        "client": cell.client,
        "state": cell.state,
        "digest": cell.digest,
        "figures": {
            name: {"value": one.value, "censored": one.censored, "reason": one.reason}
            for name, one in cell.figures.items()
            if name in _SHOWN
        },
    }


def matrix_schema() -> dict[str, Any]:
    """The schema of matrix.json, as draft 2020-12."""
    scenario = object_of(
        {"name": TEXT, "about": TEXT, "seed": {"type": "integer"}, "clock": {"enum": ["real", "virtual"]}}
        | {"folder": {**TEXT, "description": "The run directory, from the folder of matrix.json."}}
    )
    left_out = object_of(
        {"client": TEXT, "scenario": {**TEXT, "description": "Empty: left out of all."}, "reason": TEXT}
    )
    metric = object_of(
        {
            "name": {"enum": list(HEADLINES)},
            "label": TEXT,
            "unit": TEXT,
            "better": {"enum": ["higher", "lower"]},
        }
    )
    change = object_of({"scenario": TEXT, "also": list_of(TEXT), "finding": findings_schema()["items"]})
    top = {
        "matrix_version": {"const": MATRIX_VERSION},
        "scenarios": list_of(scenario),
        "clients": list_of(TEXT),
        "left_out": list_of(left_out),
        "metrics": list_of(metric),
        "cells": list_of(_cell_schema()),
        "ranking": list_of(_place_schema()),
        "changes": {
            "type": "object",
            "additionalProperties": list_of(change),
            "description": "What to change, by client, the most severe first.",
        },
    }
    return {"$schema": DRAFT, "title": "matrix.json of several windtunnel runs", **object_of(top)}


def _cell_schema() -> dict[str, Any]:
    figure = object_of({"value": VALUE, "censored": FLAG, "reason": TEXT})
    figures = {name: {**figure, "description": METRICS[name].definition} for name in _SHOWN}
    state = {"enum": list(get_args(CellState)), "description": "There are figures if valid or noisy."}
    return object_of(
        {
            "scenario": TEXT,
            "client": TEXT,
            "state": state,
            "digest": {**TEXT_OR_NULL, "description": "Of behaviour; on the virtual clock, one play."},
            "figures": {"type": "object", "properties": figures, "additionalProperties": False},
        }
    )


def _place_schema() -> dict[str, Any]:
    place = {
        "type": ["integer", "null"],
        "minimum": 1,
        "description": "Equal ones share it; null: not ranked.",
    }
    harm = {**NUMBER, "description": "The mean over scenarios; 0 is best."}
    return object_of({"client": TEXT, "place": place, "harm": harm, "reasons": list_of(TEXT)})
