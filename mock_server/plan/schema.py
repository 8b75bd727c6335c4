"""JSON Schemas of the admin API: the plan, and a line of the served records."""

from __future__ import annotations

from typing import Any

from windtunnel.mock_server.journal.columns import SERVED_COLUMNS, SERVED_NAMES, Column, ValueKind
from windtunnel.mock_server.plan.plan import Plan

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NEVER_NULL = frozenset({"served_id", "arrived_s", "ended_s", "region", "api", "stream", "connection_id"})


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of `/_windtunnel/plan`."""
    return {"$schema": _DRAFT, **Plan.model_json_schema(by_alias=True)}


def served_schema() -> dict[str, Any]:
    """The JSON Schema of one line of `/_windtunnel/served`."""
    return {
        "$schema": _DRAFT,
        "title": "Served",
        "description": "One request that arrived at the mock server. Times are seconds from t0.",
        "type": "object",
        "properties": {column.name: _property(column) for column in SERVED_COLUMNS},
        "required": list(SERVED_NAMES),
        "additionalProperties": False,
    }


_JSON_TYPES: dict[ValueKind, str] = {
    "string": "string",
    "int32": "integer",
    "int64": "integer",
    "float64": "number",
    "bool": "boolean",
}


def _property(column: Column) -> dict[str, Any]:
    if column.kind == "strings":
        return {"type": "array", "items": {"type": "string"}, "description": column.about}
    kind = _JSON_TYPES[column.kind]
    return {"type": kind if column.name in _NEVER_NULL else [kind, "null"], "description": column.about}
