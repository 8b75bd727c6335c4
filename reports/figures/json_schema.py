"""What the JSON Schemas of all reports are made of."""

from __future__ import annotations

from typing import Any, Final

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

TEXT: Final = {"type": "string"}
TEXT_OR_NULL: Final[dict[str, Any]] = {"type": ["string", "null"]}
FLAG: Final = {"type": "boolean"}
COUNT: Final = {"type": "integer", "minimum": 0}
NUMBER: Final = {"type": ["number", "null"]}
"""A figure that may be missing."""
VALUE: Final = {"type": ["number", "boolean", "null"]}
"""A figure that may be missing; of a metric that is true or false, a boolean."""


def list_of(items: dict[str, Any]) -> dict[str, Any]:
    """The schema of a list."""
    return {"type": "array", "items": items}


def object_of(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """The schema of an object with these keys and no others; all but the `optional` ones are required."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
