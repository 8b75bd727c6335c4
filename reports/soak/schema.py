"""The JSON Schema of soak.json."""

from __future__ import annotations

from typing import Any, Final

from windtunnel.reports.soak.build import SOAK_VERSION

_NUMBER: Final = {"type": "number"}
_MAYBE: Final = {"type": ["number", "null"]}
_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}


def soak_schema() -> dict[str, Any]:
    """The schema, as draft 2020-12."""
    finding = _object(
        {
            "measure": {**_TEXT, "description": "What changes: a name of `watched`."},
            "unit": _TEXT,
            "sentence": {**_TEXT, "description": "The finding in words."},
            "since_h": {**_NUMBER, "description": "Since which hour; 0: from the start."},
            "per_hour": {**_NUMBER, "description": "How fast; of a fall below 0."},
            "low": {**_NUMBER, "description": "Lower end of the 99.9 % interval of the speed."},
            "high": {**_NUMBER, "description": "Upper end of it."},
            "first": {**_NUMBER, "description": "The value where it began, on the fitted line."},
            "last": {**_NUMBER, "description": "The value at the end, on the fitted line."},
            "limit": {**_MAYBE, "description": "Where it hurts; null: not known."},
            "hurts_h": {**_MAYBE, "description": "The hour at which the limit is reached at this speed."},
            "incident": {**_TEXT, "description": "The phase that it happens in; empty: no one phase."},
            "detail": {
                **_TEXT,
                "description": "Which parts of it grow, such as types of objects; empty: none.",
            },
        }
    )
    hole = _object(
        {
            "mark": {**_TEXT, "description": "What happened to the measuring, such as worker replaced."},
            "from_h": {**_NUMBER, "description": "From which hour on nothing is known."},
            "to_h": {**_NUMBER, "description": "Until which hour."},
            "why": _TEXT,
        }
    )
    client = _object(
        {
            "client": _TEXT,
            "hours": _NUMBER,
            "cycles": _COUNT,
            "calls": _COUNT,
            "reason": {**_TEXT, "description": "Why nothing can be said; empty if it can."},
            "holes": {"type": "array", "items": hole},
            "watched": {"type": "array", "items": _TEXT},
            "findings": {"type": "array", "items": finding},
        }
    )
    top = {
        "soak_version": {"const": SOAK_VERSION},
        "scenario": _TEXT,
        "clients": {"type": "array", "items": client},
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "soak.json", **_object(top)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    names = list(properties)
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}
