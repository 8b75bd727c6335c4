"""How many calls a second the provider of a plan can answer: what intended load is compared with.

    calls/s = min(slots ÷ mean time in a slot, RPM ÷ 60, TPM ÷ 60 ÷ mean tokens of a call)
    time in a slot = first token + prompt ÷ prefill speed + (tokens - 1) × (1 + slowdown) ÷ tokens per second

Means of lognormals: a median m with 99th percentile p is exp(mu + s²/2) with mu = ln m
and s = (ln p - mu) ÷ z(0.99).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, Final

from windtunnel.harness.contract.units import quantity
from windtunnel.reports.read.run_dir import CellRecords

_NORMAL: Final = NormalDist()
_Z99: Final = _NORMAL.inv_cdf(0.99)
_FOREVER: Final = math.inf


def capacity_per_s(cell: CellRecords, phase: int) -> float:
    """Calls per second that the cell's region can answer in the phase with that index, by the plan alone."""
    load = cell.plan["load"]
    capacity, limits, answer = (_part(cell, phase, part) for part in ("capacity", "limits", "answer"))
    prompt = _traced(load.get("prompt_sizes"), mean_of(load.get("prompt_tokens", 0)))
    if load.get("api") == "embeddings":
        tokens = 1.0
    else:
        most = load.get("max_tokens")
        drawn = mean_of(answer["tokens"], at_most=most)
        tokens = _traced(cell.plan["server_plan"].get("answer_tokens"), drawn, at_most=most)
    first = mean_of(answer["first_token"])
    if answer.get("prefill_tokens_per_second"):
        first += prompt / answer["prefill_tokens_per_second"]
    pace = (1 + answer.get("slowdown", 0.0)) / answer.get("tokens_per_second", 80.0)
    held = first + max(0.0, tokens - 1) * pace
    by_slots = capacity["slots"] / held if held > 0 else _FOREVER
    by_requests = limits["rpm"] / 60 if limits.get("rpm") else _FOREVER
    by_tokens = limits["tpm"] / 60 / (prompt + tokens) if limits.get("tpm") else _FOREVER
    return float(min(by_slots, by_requests, by_tokens))


def _traced(sizes: Mapping[str, int] | None, drawn: float, *, at_most: int | None = None) -> float:
    """The mean size that a trace tells of the phases' calls; `drawn`, the mean of the others', if it tells none."""
    told = [min(size, at_most or size) for call, size in (sizes or {}).items() if call.startswith("c")]
    return sum(told) / len(told) if told else drawn


def slots_of(cell: CellRecords, phase: int) -> float:
    """Calls that the cell's region answers at the same time in the phase with that index."""
    return float(_part(cell, phase, "capacity")["slots"])


def _part(cell: CellRecords, phase: int, part: str) -> dict[str, Any]:
    """A part of what the plan says of the provider, as it is for the cell's region in a phase."""
    plan = cell.plan["server_plan"]
    phases = plan.get("phases") or []
    provider = merged(plan["provider"], (phases[phase].get("provider") or {}) if phase < len(phases) else {})
    regions = provider.get("regions") or {"local": {}}
    name = cell.plan.get("region") or cell.plan["load"].get("region")
    region = regions.get(name) or next(iter(regions.values())) or {}
    return merged(provider.get(part) or {}, region.get(part) or {})


def merged(base: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """`part` laid over `base`, mapping by mapping; a centre given as a mean replaces a median, and vice versa."""
    whole = {key: value for key, value in base.items() if not _replaced(key, part)}
    for key, value in part.items():
        below = whole.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        whole[key] = merged(below, value) if both and below is not None else value
    return whole


def _replaced(key: str, part: Mapping[str, Any]) -> bool:
    other = {"mean": "median", "median": "mean"}.get(key)
    return other is not None and part.get(other) is not None


def mean_of(spread: Any, *, at_most: float | None = None) -> float:
    """Mean of a distribution as plans write it: a constant, or {median | mean, p99}; cut off at `at_most`."""
    if not isinstance(spread, Mapping):
        value = quantity(spread)
        return value if at_most is None else min(value, at_most)
    by_mean = spread.get("median") is None
    centre = quantity(spread["mean"] if by_mean else spread["median"])
    high = quantity(spread["p99"]) if spread.get("p99") is not None else centre
    if centre <= 0 or high <= centre:
        return centre if at_most is None else min(centre, at_most)
    distance = math.log(high / centre)
    # By the mean, ln(p99 ÷ mean) = z s - s²/2: the smaller root.
    sigma = _Z99 - math.sqrt(max(0.0, _Z99**2 - 2 * distance)) if by_mean else distance / _Z99
    mu = math.log(centre) - (sigma**2 / 2 if by_mean else 0.0)
    mean = math.exp(mu + sigma**2 / 2)
    if at_most is None:
        return mean
    below = (math.log(at_most) - mu) / sigma
    return mean * _NORMAL.cdf(below - sigma) + at_most * (1 - _NORMAL.cdf(below))
