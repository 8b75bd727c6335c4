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
from typing import Any, Final, NamedTuple

import orjson

from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.json_schema.compile import Compiler
from windtunnel.mock_server.api.json_schema.nodes import Making, Node, SchemaError
from windtunnel.mock_server.api.json_schema.patterns import PatternError
from windtunnel.mock_server.api.json_schema.work import MOST_WORK, TooMuchWorkError, Work

MOST_BYTES: Final = 256 * 1024
"""Bytes of a schema; a larger one is refused."""

MOST_SCHEMAS: Final = 128
"""Schemas that are kept compiled."""

_TRIAL: Final = "trial"

__all__ = ["SchemaError", "instance", "instance_text", "schema_problem"]


class _Checked(NamedTuple):
    """A schema that was tried: what is wrong with it, the work that this took, and a value as text."""

    problem: str | None
    cost: int
    text: str


def instance(schema: dict[str, Any], draws: Draws) -> Any:
    """A value that is valid against `schema`, a function of schema and draws. Raises SchemaError."""
    return _instance(_text(schema), draws, Work())


def instance_text(schema: dict[str, Any], draws: Draws, *, share: int = 1) -> str:
    """The same as JSON text. A schema without a `schema_problem` never fails here: should these draws find no value,
    or one of `share` values of an answer need more than its share of the work, it is that of the check."""
    data = _text(schema)
    try:
        return _dumped(_instance(data, draws, Work(MOST_WORK // max(1, share))))
    except SchemaError:
        checked = _checked(data)
        if checked.problem is not None:
            raise
        return checked.text


def schema_problem(schema: dict[str, Any], work: Work | None = None) -> str | None:
    """Why no value can be made for a schema, or None if one can. `work` is what all schemas of a request may take."""
    try:
        checked = _checked(_text(schema))
        if work is not None:
            work.spend(checked.cost)
    except SchemaError as error:
        return str(error)
    except TooMuchWorkError:
        return "the schemas of the request take too much work together"
    return checked.problem


def _instance(schema: bytes, draws: Draws, work: Work) -> Any:
    """Make a value. Raises SchemaError, also where that takes more than `work`."""
    try:
        compiled = _compiled(schema)
        if isinstance(compiled, str):
            raise SchemaError(compiled)
        return compiled[0].make(Making(draws, work), 0)
    except (PatternError, TooMuchWorkError) as error:
        raise SchemaError(str(error)) from error
    except (TypeError, AttributeError, ArithmeticError, RecursionError, LookupError, re.error) as error:
        raise SchemaError(f"it is not a valid JSON schema ({error})") from error


def _dumped(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # whole numbers beyond 64 bits
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


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
def _compiled(schema: bytes) -> tuple[Node, int] | str:
    """Compile a schema: the node, and the work that it took; or why there is none."""
    work = Work()
    try:
        node = Compiler(orjson.loads(schema), work).compile()
    except (SchemaError, PatternError, TooMuchWorkError) as error:
        return str(error)
    except (
        TypeError,
        AttributeError,
        ValueError,
        ArithmeticError,
        RecursionError,
        LookupError,
        re.error,
    ) as error:
        return f"it is not a valid JSON schema ({error})"
    return node, MOST_WORK - work.left


@lru_cache(maxsize=MOST_SCHEMAS)
def _checked(schema: bytes) -> _Checked:
    work = Work()
    compiled = _compiled(schema)
    compiling = MOST_WORK if isinstance(compiled, str) else compiled[1]
    try:
        text = _dumped(_instance(schema, Draws(_TRIAL), work))
    except SchemaError as error:
        return _Checked(str(error), compiling, "")
    except ValueError as error:
        return _Checked(f"it is not a valid JSON schema ({error})", compiling, "")
    return _Checked(None, compiling + MOST_WORK - work.left, text)
