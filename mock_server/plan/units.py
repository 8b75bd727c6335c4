"""Durations, rates and bandwidths as people write them: `250ms`, `12s`, `5m`, `1h`, `14/s`, `60/min`, `10Mbit/s`.

A number without a unit is refused, everywhere, with a message that says so. Values are floats inside
(seconds; events or bits per second) and are written back as text with a unit, so that a dumped plan validates
again. Validation with the context `{"bare_seconds": True}` (fault headers) takes a bare number for seconds.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from windtunnel.mock_server.errors import PlanError

_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_DURATION = re.compile(rf"\s*({_NUMBER})\s*(ms|s|m|h)\s*")
_RATE = re.compile(rf"\s*({_NUMBER})\s*/\s*(s|min|h)\s*")
_BITS = re.compile(rf"\s*({_NUMBER})\s*(k|M|G)?bit/s\s*")
_BYTES = re.compile(rf"\s*({_NUMBER})\s*(B|KB|KiB|MB|MiB)\s*")
_BARE = re.compile(rf"\s*-?{_NUMBER}\s*")

_PER_SECOND = {"ms": 1000.0}
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_RATE_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}

_BIT_FACTORS = {None: 1.0, "k": 1e3, "M": 1e6, "G": 1e9}

_BYTE_FACTORS = {"B": 1, "KB": 1000, "KiB": 1024, "MB": 1_000_000, "MiB": 2**20}

_SOME_BYTES = "a size with its unit, such as 512B, 8KB (1,000 bytes each) or 8KiB"
_A_BANDWIDTH = "a bandwidth with its unit, such as 100Mbit/s or 1Gbit/s"
_A_DURATION = "a duration with its unit, such as 250ms, 12s, 5m or 1h"
_A_RATE = "a rate with its unit, such as 14/s or 60/min"
_FOREVER = "forever"

MOST_SECONDS = 366 * 24 * 3600.0
"""A year: longer than anything that is measured, and dates that lie so far ahead can still be written."""

MOST_PER_SECOND = 1_000_000.0
"""Events per second: more than any machine makes."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """Marks a type whose validator has an upper bound, and says why."""

    most: float
    reason: str


_A_YEAR = Bounded(MOST_SECONDS, "at most a year (8784h): longer than anything that is measured")
MOST_BITS = 1e12
"""Bits per second: more than any link of one client has."""

_A_TERABIT = Bounded(MOST_BITS, "at most 1000Gbit/s: more than any link of one client has")
MOST_BYTES = 2**20
_A_MEBIBYTE = Bounded(
    MOST_BYTES, "at most 1MiB: more than the mock takes of a head, whatever stands before it"
)
_A_MILLION = Bounded(MOST_PER_SECOND, "at most 1000000/s: more than any machine makes")

BARE_SECONDS = {"bare_seconds": True}


def _found(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, int | float) or (isinstance(value, str) and _BARE.fullmatch(value)):
        return f"{value} without a unit"
    return repr(value)


def parse_seconds(text: object) -> float:
    """`"250ms"` → 0.25. Raises `PlanError` (a ValueError) for anything but a duration with its unit."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise PlanError("", _found(text), _A_DURATION)
    number, unit = float(match[1]), match[2]
    seconds = number / _PER_SECOND[unit] if unit in _PER_SECOND else number * _SECONDS[unit]
    if not math.isfinite(seconds):
        raise PlanError("", _found(text), _A_DURATION)
    return seconds


def parse_rate(text: object) -> float:
    """`"60/min"` → 1.0 per second. Raises `PlanError` (a ValueError) for anything else."""
    match = _RATE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise PlanError("", _found(text), _A_RATE)
    rate = float(match[1]) / _RATE_SECONDS[match[2]]
    if not math.isfinite(rate):
        raise PlanError("", _found(text), _A_RATE)
    return rate


def parse_bits(text: object) -> float:
    """`"100Mbit/s"` → 1e8 bits per second. Raises `PlanError` (a ValueError) for anything else, and for zero."""
    match = _BITS.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise PlanError("", _found(text), _A_BANDWIDTH)
    bits = float(match[1]) * _BIT_FACTORS[match[2]]
    if not 0 < bits < math.inf:
        raise PlanError("", _found(text), f"{_A_BANDWIDTH}, above zero")
    return bits


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)


def format_seconds(seconds: float) -> str:
    """0.25 → `"250ms"`, 12.0 → `"12s"`; parses back to exactly the same number. Infinity is `forever`."""
    if math.isinf(seconds):
        return _FOREVER
    if 0 < seconds < 1:
        text = f"{_plain(round(seconds * 1000, 9))}ms"
        if parse_seconds(text) == seconds:
            return text
    return f"{_plain(seconds)}s"


def format_rate(per_second: float) -> str:
    """14.0 → `"14/s"`; parses back to exactly the same number."""
    return f"{_plain(per_second)}/s"


def format_bits(per_second: float) -> str:
    """1e8 → `"100000000bit/s"`; parses back to exactly the same number."""
    return f"{_plain(per_second)}bit/s"


def as_pydantic_error(error: PlanError) -> PydanticCustomError:
    """Return a `PlanError` as a pydantic error, with `found` and `expected` in its context."""
    context = {"found": error.found, "expected": error.expected}
    return PydanticCustomError("plan", "found {found}, expected {expected}", context)


def _bare(value: object, info: ValidationInfo) -> bool:
    return (
        bool((info.context or {}).get("bare_seconds"))
        and isinstance(value, str)
        and re.fullmatch(rf"\s*{_NUMBER}\s*", value) is not None
    )


def _seconds(value: Any, info: ValidationInfo) -> float:
    try:
        seconds = parse_seconds(f"{value}s" if _bare(value, info) else value)
    except PlanError as error:
        raise as_pydantic_error(error) from None
    return _within(seconds, value, _A_YEAR)


def _within(number: float, value: object, bound: Bounded) -> float:
    """Return a number that is not above its bound."""
    if number > bound.most:
        raise as_pydantic_error(PlanError("", str(value), bound.reason))
    return number


def _positive_seconds(value: Any, info: ValidationInfo) -> float:
    seconds = _seconds(value, info)
    if seconds <= 0:
        raise as_pydantic_error(PlanError("", repr(value), "a duration above zero"))
    return seconds


def _seconds_or_forever(value: Any, info: ValidationInfo) -> float:
    if value == _FOREVER:
        return math.inf
    try:
        seconds = parse_seconds(f"{value}s" if _bare(value, info) else value)
    except PlanError as error:
        raise as_pydantic_error(PlanError("", error.found, f"{_A_DURATION}, or forever")) from None
    return _within(seconds, value, _A_YEAR)


def _rate(value: Any) -> float:
    try:
        rate = parse_rate(value)
    except PlanError as error:
        raise as_pydantic_error(error) from None
    return _within(rate, value, _A_MILLION)


def _bits(value: Any) -> float:
    try:
        bits = parse_bits(value)
    except PlanError as error:
        raise as_pydantic_error(error) from None
    return _within(bits, value, _A_TERABIT)


def _bytes(value: Any) -> int:
    match = _BYTES.fullmatch(value) if isinstance(value, str) else None
    size = round(float(match[1]) * _BYTE_FACTORS[match[2]]) if match is not None else 0
    if size < 1:
        raise as_pydantic_error(PlanError("", _found(value), _SOME_BYTES))
    return int(_within(size, value, _A_MEBIBYTE))


_DURATION_PATTERN = rf"^\s*{_NUMBER}\s*(ms|s|m|h)\s*$"
DURATION_SCHEMA = {"type": "string", "pattern": _DURATION_PATTERN, "examples": ["250ms", "12s", "5m", "1h"]}
_WRITE_SECONDS = PlainSerializer(format_seconds, return_type=str)

Seconds = Annotated[
    float, BeforeValidator(_seconds), _WRITE_SECONDS, WithJsonSchema(DURATION_SCHEMA), _A_YEAR
]
"""A duration of zero or more, at most a year; seconds inside."""

PositiveSeconds = Annotated[
    float, BeforeValidator(_positive_seconds), _WRITE_SECONDS, WithJsonSchema(DURATION_SCHEMA), _A_YEAR
]
"""A duration above zero; seconds inside."""

SecondsOrForever = Annotated[
    float,
    BeforeValidator(_seconds_or_forever),
    _WRITE_SECONDS,
    WithJsonSchema({"anyOf": [DURATION_SCHEMA, {"const": _FOREVER}]}),
    _A_YEAR,
]
"""A duration, or the word `forever` (infinity inside)."""

Rate = Annotated[
    float,
    BeforeValidator(_rate),
    PlainSerializer(format_rate, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": rf"^\s*{_NUMBER}\s*/\s*(s|min|h)\s*$", "examples": ["14/s", "60/min"]}
    ),
    _A_MILLION,
]
"""Events per second."""

Bandwidth = Annotated[
    float,
    BeforeValidator(_bits),
    PlainSerializer(format_bits, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^\s*{_NUMBER}\s*(k|M|G)?bit/s\s*$",
            "examples": ["100Mbit/s", "1Gbit/s"],
        }
    ),
    _A_TERABIT,
]
"""Bits per second, above zero."""

Bytes = Annotated[
    int,
    BeforeValidator(_bytes),
    PlainSerializer(lambda size: f"{size}B", return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^\s*{_NUMBER}\s*(B|KB|KiB|MB|MiB)\s*$",
            "examples": ["512B", "8KB", "8KiB"],
        }
    ),
    _A_MEBIBYTE,
]
"""A number of bytes, at least one."""
