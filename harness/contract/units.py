"""Durations and rates as they stand in a plan: text with a unit, or numbers that are seconds already."""

from __future__ import annotations

import re
from typing import Any

_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_QUANTITY = re.compile(r"\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(ms|s|m|h|/s|/min|/h)?\s*")
_PER_SECOND = {"/s": 1.0, "/min": 1 / 60.0, "/h": 1 / 3600.0}


def quantity(value: Any) -> float:
    """`"250ms"` → 0.25 s, `"60/min"` → 1.0 per second, `12` → 12.0. Raises ValueError for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"found {value!r}, expected a number, or one with a unit such as 250ms, 12s or 14/s")
    return float(match[1]) * (_SECONDS | _PER_SECOND).get(match[2], 1.0)


def seconds_or_none(value: Any) -> float | None:
    """The same, where None stays None."""
    return None if value is None else quantity(value)
