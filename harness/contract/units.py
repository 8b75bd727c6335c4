"""Durations and rates as they stand in a plan: text with a unit, or numbers that are seconds already."""

from __future__ import annotations

from windtunnel.mock_server.plan.units import parse_rate, parse_seconds


def quantity(value: object) -> float:
    """Return `"250ms"` as 0.25 s, `"60/min"` as 1.0 per second, `12` as 12.0. Raises ValueError for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return parse_rate(value) if isinstance(value, str) and "/" in value else parse_seconds(value)


def seconds_or_none(value: object) -> float | None:
    """Return the same, where None stays None."""
    return None if value is None else quantity(value)
