"""Floors that are asked for on the command line: `--floor goodput=0.02`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from windtunnel.harness.contract.metrics import METRICS, Floor
from windtunnel.harness.errors import InputError, nearest

FORM = "NAME=NUMBER, in the metric's unit, or NAME=NUMBER%, of the older value, such as goodput=0.02 or wait_p99_s=10%"


def asked_floors(texts: Sequence[str], where: str) -> dict[str, Floor]:
    """Floors by metric. Raises `InputError` for what is none, or of a metric that is unknown or has no direction."""
    return dict(_floor(text, where) for text in texts)


def _floor(text: str, where: str) -> tuple[str, Floor]:
    name, given, number = (part.strip() for part in text.partition("="))
    if not given:
        raise InputError(where, path="--floor", found=f"'{text}'", expected=FORM)
    metric = METRICS.get(name)
    if metric is None or metric.better is None:
        found = (
            f"the unknown metric '{name}'" if metric is None else f"'{name}', of which neither way is better"
        )
        known = [one.name for one in METRICS.values() if one.better]
        expected = "a metric with a direction: see `windtunnel list metrics`"
        hint = nearest(name, known) if metric is None else ""
        raise InputError(where, path="--floor", found=found, expected=expected, hint=hint)
    try:
        value = float(number.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise InputError(where, path="--floor", found=f"'{text}'", expected=FORM)
    return name, Floor(share=value / 100) if number.endswith("%") else Floor(value)
