"""From a JSON schema to nodes: references resolved, `allOf` merged, alternatives spread out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Final
from urllib.parse import unquote

import orjson

from windtunnel.mock_server.api.json_schema.merge import accepts, frozen, merged, named_by
from windtunnel.mock_server.api.json_schema.nodes import (
    Array,
    Constants,
    Node,
    Number,
    Object,
    Reference,
    SchemaError,
    Text,
    Union,
)
from windtunnel.mock_server.api.json_schema.work import Work

_TYPES_BY_KEYWORD: Final = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_MOST_REFERENCES: Final = 64
_SPAN: Final = 1000

MOST_NODES: Final = 5_000
"""Different sub-schemas of one schema; one with more is refused."""

MOST_TEXT: Final = 8 * 2**20
"""Bytes of all sub-schemas together, each with everything that holds for it."""

MOST_NAMES: Final = 20_000
"""Properties times `patternProperties` of an object."""


class TooLargeError(SchemaError):
    """A schema, or what follows from it, is more than is read; no way around it is looked for."""


class Compiler:
    """Compiles one root schema. Equal sub-schemas become one node, which is what closes recursion."""

    def __init__(self, root: dict[str, Any], work: Work) -> None:
        self._root = root
        self._work = work
        self._known: dict[bytes, Reference] = {}
        self._nodes: list[Node] = []
        self._text = 0

    def compile(self) -> Node:
        """The root's node, with all heights measured. Raises SchemaError if no value is valid."""
        root = self._node(self._root)
        changed = True
        while changed:
            changed = False
            self._work.spend(len(self._nodes))
            for node in self._nodes:
                height = node.measure()
                if height < node.height:
                    node.height, changed = height, True
        if root.height == math.inf:
            raise SchemaError("no finite value is valid against it")
        return root

    def _node(self, schema: Any) -> Node:
        if schema is True:
            schema = {}
        if not isinstance(schema, dict):
            raise SchemaError("it allows nothing" if schema is False else "a schema must be an object")
        key = orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)
        self._work.spend(5 + len(key) // 500)
        known = self._known.get(key)
        if known is not None:
            return known
        self._text += len(key)
        if self._text > MOST_TEXT or len(self._known) > MOST_NODES:
            raise TooLargeError(f"it is too large: at most {MOST_NODES} sub-schemas are read")
        reference = self._known[key] = Reference()
        try:
            reference.target = self._build(self._flat(schema))
        except SchemaError:
            del self._known[key]
            raise
        self._nodes += (reference.target, reference)
        return reference

    def _flat(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema without `$ref` and `allOf` at its top."""
        for _ in range(_MOST_REFERENCES):
            rest = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
            parts: list[Any] = list(schema.get("allOf", ()))
            if "$ref" in schema:
                parts.insert(0, self._resolved(schema["$ref"]))
            if not parts:
                return rest
            for part in parts:
                rest = merged(rest, part, self._work)
            schema = rest
        raise SchemaError("its references go round in circles")

    def _resolved(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not re.match(r"#(/|$)", reference):
            raise SchemaError(f"reference {reference!r} is not local to the schema")
        found: Any = self._root
        for part in unquote(reference).split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(name)] if isinstance(found, list) else found[name]
            except (KeyError, IndexError, ValueError, TypeError):
                raise SchemaError(f"reference '{reference}' can not be resolved") from None
        return found

    def _build(self, schema: dict[str, Any]) -> Node:
        if "const" in schema or "enum" in schema:
            values = list(schema["enum"]) if "enum" in schema else [schema["const"]]
            self._work.spend(len(values))
            if "const" in schema:
                wanted = frozen(schema["const"])
                values = [value for value in values if frozen(value) == wanted]
            fitting = [value for value in values if accepts(schema, value, self._work)]
            if not fitting:
                raise SchemaError("none of its constants is valid")
            return Constants(fitting)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                base = {key: value for key, value in schema.items() if key != keyword}
                return self._union({"allOf": [branch], **base} for branch in schema[keyword])
        kind = schema.get("type")
        if isinstance(kind, list):
            return self._union({**schema, "type": one} for one in kind)
        return self._typed(kind or _guessed_type(schema), schema)

    def _union(self, branches: Iterable[dict[str, Any]]) -> Node:
        options: list[Node] = []
        reason = "it has no alternatives"
        for branch in branches:
            try:
                options.append(self._node(branch))
            except TooLargeError:
                raise
            except SchemaError as error:
                reason = str(error)
        if not options:
            raise SchemaError(reason)
        return Union(options)

    def _typed(self, kind: Any, schema: dict[str, Any]) -> Node:
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return self._array(schema)
        if kind == "string":
            least, most = _sizes(schema, "minLength", "maxLength")
            return Text(least, most, schema.get("pattern"), schema.get("format"))
        if kind in ("integer", "number"):
            return _number(schema, integer=kind == "integer")
        if kind in ("boolean", "null"):
            return Constants([None] if kind == "null" else [True, False])
        raise SchemaError(f"{kind!r} is not a type")

    def _object(self, schema: dict[str, Any]) -> Node:
        declared = dict(schema.get("properties", {}))
        extra = schema.get("additionalProperties", True)
        patterns: dict[str, Any] = schema.get("patternProperties", {})
        required = frozenset(schema.get("required", ()))
        if (len(declared) + len(required)) * len(patterns) > MOST_NAMES:
            raise TooLargeError(f"more than {MOST_NAMES} properties are to be looked for in patterns")
        for name in sorted(required - declared.keys()):
            declared[name] = True if named_by(patterns, name, self._work) else extra
        for name, inner in declared.items():
            for pattern, also in patterns.items():
                if named_by((pattern,), name, self._work):
                    declared[name] = merged({"allOf": [inner]}, also, self._work)
        properties: dict[str, Node] = {}
        for name, inner in declared.items():
            try:
                properties[name] = self._node(inner)
            except SchemaError as error:
                if name in required or isinstance(error, TooLargeError):
                    raise
        least, most = _sizes(schema, "minProperties", "maxProperties")
        is_open = extra is not False and not patterns and "propertyNames" not in schema
        extra_node = self._node(extra) if is_open and (isinstance(extra, dict) or least) else None
        return Object(properties, required, extra_node, least, most)

    def _array(self, schema: dict[str, Any]) -> Node:
        prefix = [self._node(inner) for inner in schema.get("prefixItems", ())]
        least, most = _sizes(schema, "minItems", "maxItems")
        inner = schema.get("items", True)
        try:
            items = None if inner is False else self._node(inner)
        except SchemaError as error:
            if least > len(prefix) or isinstance(error, TooLargeError):
                raise
            items = None
        if items is None:
            most = len(prefix) if most is None else min(most, len(prefix))
            if most < least:
                raise SchemaError(f"it can not have {least} items")
        return Array(prefix, items, least, most, bool(schema.get("uniqueItems")))


def _guessed_type(schema: dict[str, Any]) -> str:
    """The type that a schema without one speaks of, by its keywords; a string if by none."""
    return next(
        (kind for kind, keywords in _TYPES_BY_KEYWORD.items() if any(word in schema for word in keywords)),
        "string",
    )


def _sizes(schema: dict[str, Any], low: str, high: str) -> tuple[int, int | None]:
    least, most = int(schema.get(low, 0)), schema.get(high)
    if most is not None and most < least:
        raise SchemaError(f"'{low}' {least} is above '{high}' {most}")
    return least, None if most is None else int(most)


def _number(schema: dict[str, Any], *, integer: bool) -> Number:
    lows = [schema["minimum"]] if "minimum" in schema else []
    highs = [schema["maximum"]] if "maximum" in schema else []
    if "exclusiveMinimum" in schema:
        bound = schema["exclusiveMinimum"]
        lows.append(math.floor(bound) + 1 if integer else math.nextafter(bound, math.inf))
    if "exclusiveMaximum" in schema:
        bound = schema["exclusiveMaximum"]
        highs.append(math.ceil(bound) - 1 if integer else math.nextafter(bound, -math.inf))
    step = Fraction(str(schema["multipleOf"])) if "multipleOf" in schema else None
    low, high = max(lows, default=None), min(highs, default=None)
    span = _SPAN if step is None else max(_SPAN, math.ceil(step) * 8)
    if low is None:
        low = 0 if high is None or high >= 0 else high - span
    if high is None:
        high = low + span
    if integer:
        low, high = math.ceil(low), math.floor(high)
    if low > high:
        raise SchemaError(f"no number lies between {low} and {high}")
    if step is None and high - low > 2 * span:  # keep numbers readable where the range does not matter
        low, high = (max(low, -span), min(high, span)) if low <= 0 <= high else (low, low + span)
    return Number(low, high, integer, step)
