"""Values that are valid against a JSON schema: the answers of structured outputs, the arguments of tools.

    schema ──compile──► nodes ──make(draws)──► value

Covered: everything that strict structured outputs allow ($ref and $defs with recursion, anyOf, enum, const,
type lists, format, pattern, bounds, multipleOf, array sizes), and of the rest allOf, oneOf (exclusivity is
not checked), patternProperties, prefixItems, uniqueItems and the sizes of strings and objects. Ignored: not,
if/then/else, contains, dependent*, unevaluated*, propertyNames (no names are made up then).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.json_schema.compile import Compiler
from windtunnel.mock_server.api.json_schema.nodes import Making, Node, SchemaError
from windtunnel.mock_server.api.json_schema.patterns import PatternError

MOST_BYTES: Final = 256 * 1024
"""Bytes of a schema; a larger one is refused."""

MOST_SCHEMAS: Final = 128
"""Schemas that are kept compiled."""

_TRIAL: Final = "trial"

__all__ = ["SchemaError", "instance", "instance_text", "schema_problem"]


def instance(schema: dict[str, Any], draws: Draws) -> Any:
    """A value that is valid against `schema`, a function of schema and draws. Raises SchemaError."""
    try:
        return _compiled(_text(schema)).make(Making(draws), 0)
    except PatternError as error:
        raise SchemaError(str(error)) from error
    except (TypeError, AttributeError, ArithmeticError, RecursionError, LookupError, re.error) as error:
        raise SchemaError(f"it is not a valid JSON schema ({error})") from error


def instance_text(schema: dict[str, Any], draws: Draws) -> str:
    """The same as JSON text. A schema without a `schema_problem` never fails here: should these draws find no
    value, the ones do that the problem was looked for with."""
    try:
        value = instance(schema, draws)
    except SchemaError:
        value = instance(schema, Draws(_TRIAL))
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # whole numbers beyond 64 bits
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def schema_problem(schema: dict[str, Any]) -> str | None:
    """Why no value can be made for a schema, or None if one can."""
    try:
        return _problem(_text(schema))
    except SchemaError as error:
        return str(error)


def _text(schema: dict[str, Any]) -> bytes:
    """The schema as JSON. Raises SchemaError for one that is too large, or too deep to be written."""
    try:
        text = orjson.dumps(schema)
    except TypeError:
        raise SchemaError("it is nested too deeply") from None
    if len(text) > MOST_BYTES:
        raise SchemaError(f"it has more than {MOST_BYTES} bytes")
    return text


@lru_cache(maxsize=MOST_SCHEMAS)
def _compiled(schema: bytes) -> Node:
    return Compiler(orjson.loads(schema)).compile()


@lru_cache(maxsize=MOST_SCHEMAS)
def _problem(schema: bytes) -> str | None:
    try:
        instance(orjson.loads(schema), Draws(_TRIAL))
    except SchemaError as error:
        return str(error)
    except ValueError as error:
        return f"it is not a valid JSON schema ({error})"
    return None
