"""The rules that `strict: true` adds to a JSON schema, with the API's complaints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

Path: TypeAlias = tuple[str, ...]

_NOT_PERMITTED: Final = (
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
)
_DEEPEST: Final = 200
_MAPS: Final = ("properties", "$defs", "definitions")


def object_problem(schema: dict[str, Any]) -> str | None:
    """The API's complaint about a schema whose values need not be objects, or None."""
    if schema.get("type") == "object" or "$ref" in schema:
        return None
    return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."


def strict_problem(schema: dict[str, Any]) -> str | None:
    """The API's complaint about the first thing that strict mode does not allow, or None."""
    complaint = object_problem(schema)
    if complaint is not None:
        return complaint
    for path, inner in _walk((), schema):
        complaint = _complaint(inner)
        if complaint is not None:
            return f"In context={path!r}, {complaint}"
    return None


def _complaint(schema: dict[str, Any]) -> str | None:
    for keyword in _NOT_PERMITTED:
        if keyword in schema:
            return f"'{keyword}' is not permitted."
    kinds = schema.get("type")
    if kinds != "object" and not (isinstance(kinds, list) and "object" in kinds):
        return None
    if schema.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    required, properties = schema.get("required"), schema.get("properties")
    for name in properties if isinstance(properties, dict) else ():
        if not isinstance(required, list) or name not in required:
            return (
                "'required' is required to be supplied and to be an array including every key in "
                f"properties. Missing '{name}'."
            )
    return None


def _walk(path: Path, schema: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every schema inside a schema, itself first, with the way to it. Where it is nested beyond reason, that is not
    this module's complaint."""
    if not isinstance(schema, dict) or len(path) > _DEEPEST:
        return
    yield path, schema
    for keyword in _MAPS:
        inner = schema.get(keyword)
        for name, value in inner.items() if isinstance(inner, dict) else ():
            yield from _walk((*path, keyword, name), value)
    if "items" in schema:
        yield from _walk((*path, "items"), schema["items"])
    branches = schema.get("anyOf")
    for at, branch in enumerate(branches if isinstance(branches, list) else ()):
        yield from _walk((*path, "anyOf", str(at)), branch)
