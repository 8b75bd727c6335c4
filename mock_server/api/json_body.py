"""Read JSON that clients send; what is read here can also be written again."""

from __future__ import annotations

from typing import Any, Final

import orjson

MOST_LEVELS: Final = 230
"""Levels of lists and objects in a body; a deeper one is refused. The JSON library writes 254, and answers wrap what
they repeat of a request in some levels of their own."""

_MARGIN: Final = 24


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
