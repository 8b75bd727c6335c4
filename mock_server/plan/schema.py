"""JSON Schemas of the admin API: the plan, and a line of the served records."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from windtunnel.mock_server.journal.journal import SERVED_SCHEMA
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
        "properties": {field.name: _property(field) for field in SERVED_SCHEMA},
        "required": list(SERVED_SCHEMA.names),
        "additionalProperties": False,
    }


def _property(field: pa.Field) -> dict[str, Any]:
    about = field.metadata[b"about"].decode()
    if pa.types.is_list(field.type):
        return {"type": "array", "items": {"type": "string"}, "description": about}
    kind = _kind(field.type)
    return {"type": kind if field.name in _NEVER_NULL else [kind, "null"], "description": about}


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    return "number" if pa.types.is_floating(kind) else "string"
