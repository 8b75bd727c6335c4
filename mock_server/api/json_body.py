"""Read JSON that clients send; what is read here can also be written again."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

MOST_LEVELS: Final = 230
"""Levels of lists and objects in a body; a deeper one is refused. The JSON library writes 254, and answers wrap what
they repeat of a request in some levels of their own."""

_MARGIN: Final = 24


MAX_VALUES: Final = 500_000
"""Values in a JSON body; more get a 413. A value takes far more memory than the three bytes that it may have, and half
a microsecond to read. The most that an endpoint takes are the 300,000 tokens of an embeddings request."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def values_in(data: bytes) -> int:
    """Return an upper bound of the number of values in a JSON text."""
    values = _separators(data)
    if values > MAX_VALUES and data.count(b'"') - data.count(b'\\"') <= 2 * MAX_VALUES:
        return _separators(_STRING.sub(b"", data))  # texts have commas and brackets of their own
    return values


def _separators(data: bytes) -> int:
    return data.count(b",") + data.count(b"[") + data.count(b"{")


class TooDeepError(ValueError):
    """JSON with more than `MOST_LEVELS` levels."""


def read_json(data: bytes) -> Any:
    """The value. Raises `orjson.JSONDecodeError`, and `TooDeepError`; both are a ValueError."""
    value = orjson.loads(data)
    if data.count(b"[") + data.count(b"{") > MOST_LEVELS:
        wrapped = value
        for _ in range(_MARGIN):
            wrapped = [wrapped]
        try:
            orjson.dumps(wrapped)
        except TypeError:
            raise TooDeepError(f"more than {MOST_LEVELS} levels") from None
    return value
