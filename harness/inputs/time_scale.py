"""Playing an incident of hours in minutes: how lengths of time are scaled, and which.

Scaled is what belongs to the incident: how long phases and steps of the load last, a day of a daily curve, the time of
a trace, the periods of bursts, the length of ramps. What a client or a user sees in an answer stays as it is: timeouts,
deadlines, first tokens, stalls, rates. An incident that is played faster therefore has fewer calls in it, each of which
waits as long as it would have.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.traces.scaling import in_time
from windtunnel.harness.inputs.traces.settings import TracedCalls
from windtunnel.harness.inputs.validation import complaint, show
from windtunnel.mock_server.plan.units import format_seconds, parse_seconds

EXPECTED = "a share of the real time above zero, such as 1/60 (a minute becomes a second), 0.5 or 1"
_NUMBER = r"\d+(?:\.\d+)?"
_SHARE = re.compile(rf"\s*({_NUMBER})\s*(?:/\s*({_NUMBER}))?\s*")


def parse_time_scale(value: object) -> float | None:
    """`"1/60"` → 0.01666…, `0.5` → 0.5; None for what is no share above zero."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = _SHARE.fullmatch(str(value))
    if found is None:
        try:
            share = float(value)
        except ValueError:
            return None
    else:
        below = Fraction(found[2] or 1)
        share = float(Fraction(found[1]) / below) if below else 0.0
    return share if 0 < share < math.inf else None


def asked_time_scale(text: str | None, command: str) -> float | None:
    """What `--time-scale` says; None without it. Raises InputError for what is no share above zero."""
    if text is None:
        return None
    scale = parse_time_scale(text)
    if scale is None:
        raise InputError(f"windtunnel {command}", path="--time-scale", found=f"'{text}'", expected=EXPECTED)
    return scale


def _time_scale(value: object) -> float:
    scale = parse_time_scale(value)
    if scale is None:
        raise complaint("", show(value), EXPECTED)
    return scale


TimeScale = Annotated[
    float,
    BeforeValidator(_time_scale),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0},
                {"type": "string", "pattern": rf"^\s*{_NUMBER}\s*(/\s*{_NUMBER}\s*)?$", "examples": ["1/60"]},
            ]
        }
    ),
]
"""How long a second of the incident takes, in seconds: a number, or a fraction such as `1/60`."""


def scale_lengths(scenario: dict[str, Any], scale: float) -> None:
    """Scale, in place, every length of a scenario's data (as it is dumped) that belongs to the incident."""
    for phase in scenario["phases"]:
        _scale(phase, ("for",), scale)
    for rule in _rules(scenario):
        _scale(rule.get("burst"), ("every", "for"), scale)
        _scale(rule.get("ramp"), ("over",), scale)
    load = scenario["load"]
    for step in load["arrivals"].get("steps") or ():
        _scale(step, ("for",), scale)
    _scale(load["arrivals"].get("daily"), ("starts", "day"), scale)
    trace = load.get("trace")
    if trace is not None:
        read = TracedCalls(
            *(tuple(part) for part in (load["arrivals"]["times_s"], trace["prompts"], trace["answers"]))
        )
        calls = in_time(read, scale, trace["file"])
        load["arrivals"]["times_s"] = calls.times_s
        trace.update(prompts=calls.prompts, answers=calls.answers)


def _rules(scenario: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from scenario["rules"]
    for phase in scenario["phases"]:
        yield from phase["rules"]


def _scale(holder: dict[str, Any] | None, keys: tuple[str, ...], scale: float) -> None:
    for key in keys:
        if holder is not None and holder.get(key) is not None:
            # To the nanosecond: 94 minutes at 1/60 are 94 s, and not a rounding error more.
            seconds = parse_seconds(holder[key])
            holder[key] = format_seconds(max(round(seconds * scale, 9), 1e-9) if seconds else 0.0)
