"""The conjunction of two JSON schemas, and whether a constant is valid against one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from windtunnel.mock_server.api.json_schema.nodes import SchemaError
from windtunnel.mock_server.api.json_schema.patterns import found_in
from windtunnel.mock_server.api.json_schema.work import Work

_LARGER: Final = frozenset(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"))
_SMALLER: Final = frozenset(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"))
_MOST_BRANCHES: Final = 1_000
_PYTHON_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool))
        or (isinstance(value, float) and value.is_integer())
    ),
}


def merged(left: Any, right: Any, work: Work) -> dict[str, Any]:
    """A schema that is valid exactly where both are. Raises SchemaError where nothing can be."""
    left, right = ({} if side is True else side for side in (left, right))
    if not isinstance(left, dict) or not isinstance(right, dict):
        raise SchemaError("a part of it allows nothing")
    # What follows copies each keyword a few times, and the names in it.
    work.spend(2 + _extent(left) + _extent(right))
    result = dict(left)
    for key, value in right.items():
        if key == "enum" and key in result:
            work.spend((len(value) + len(result[key])) // 2)
        result[key] = _both(key, result[key], value) if key in result and result[key] != value else value
    return _closed(left, right, result, work)


def _both(key: str, left: Any, right: Any) -> Any:
    if key in _LARGER:
        return max(left, right)
    if key in _SMALLER:
        return min(left, right)
    if key == "required":
        return list(dict.fromkeys([*left, *right]))
    if key == "enum":
        allowed = {frozen(value) for value in right}
        return [value for value in left if frozen(value) in allowed]
    if key == "type":
        return _both_types(left, right)
    if key in ("properties", "patternProperties"):
        common = {name: {"allOf": [left[name], right[name]]} for name in right if name in left}
        return {**left, **right, **common}
    if key in ("items", "additionalProperties"):
        return False if left is False or right is False else {"allOf": [left, right]}
    if key == "allOf":
        return [*left, *right]
    if key in ("anyOf", "oneOf"):
        if len(left) * len(right) > _MOST_BRANCHES:
            raise SchemaError(f"there are more than {_MOST_BRANCHES} combinations of its alternatives")
        return [{"allOf": [one, other]} for one in left for other in right]
    if key in ("const", "pattern", "$ref", "prefixItems", "multipleOf"):
        raise SchemaError(f"two different '{key}' at once are not supported")
    return right  # annotations


def _both_types(left: str | list[str], right: str | list[str]) -> str | list[str]:
    lefts, rights = ([side] if isinstance(side, str) else side for side in (left, right))
    common = [kind for kind in lefts if kind in rights]
    if "integer" not in common and {"integer", "number"} <= {*lefts, *rights}:
        common.append("integer")
    if not common:
        raise SchemaError(f"nothing is both {left} and {right}")
    return common[0] if len(common) == 1 else common


def _closed(
    left: dict[str, Any], right: dict[str, Any], result: dict[str, Any], work: Work
) -> dict[str, Any]:
    """Properties that one side declares and the other, closed, side does not know are allowed by neither."""
    if "properties" not in result:
        return result
    properties = dict(result["properties"])
    for side in (left, right):
        if side.get("additionalProperties", True) is False:
            patterns = side.get("patternProperties", {})
            for name in properties:
                if name not in side.get("properties", {}) and not named_by(patterns, name, work):
                    properties[name] = False
    return {**result, "properties": properties}


def named_by(patterns: Iterable[str], name: str, work: Work) -> bool:
    """Does one of `patternProperties` concern a property?"""
    return any(found_in(name, pattern, work) for pattern in patterns)


def frozen(value: Any) -> Any:
    """Return something that can be hashed and is equal for equal JSON values; true is not 1, but 1.0 is."""
    if isinstance(value, list):
        return ("list", *map(frozen, value))
    if isinstance(value, dict):
        return (
            "dict",
            *sorted([(name, frozen(inner)) for name, inner in value.items()], key=lambda item: item[0]),
        )
    return (isinstance(value, bool), value)


def _extent(schema: dict[str, Any]) -> int:
    """Return about how much work it is to copy a schema and what its keywords name."""
    names = [len(inner) for inner in schema.values() if isinstance(inner, dict)]
    return len(schema) + sum(names) + sum(_sizes_of_lists(schema)) // 10


def _sizes_of_lists(schema: dict[str, Any]) -> list[int]:
    return [len(inner) for inner in schema.values() if isinstance(inner, list)]


def accepts(schema: dict[str, Any], value: Any, work: Work) -> bool:
    """Whether a constant passes the other keywords beside `enum` (types, bounds, lengths, pattern)."""
    kinds = schema.get("type")
    if kinds is not None:
        names = [kinds] if isinstance(kinds, str) else kinds
        if not any(_PYTHON_TYPES.get(name, lambda _: False)(value) for name in names):
            return False
    if isinstance(value, str):
        pattern = schema.get("pattern")
        in_length = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return in_length and (pattern is None or found_in(value, pattern, work) is not False)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return bool(
            schema.get("minimum", value) <= value <= schema.get("maximum", value)
            and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
            and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        )
    return True
