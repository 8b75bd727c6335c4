"""The capacity of a provider, worked out from its plan."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.reports.tables import STORM, make_cell
from windtunnel.reports.metrics.capacity import capacity_per_s, mean_of, merged


def capacity(phase: int = 0, load: dict[str, Any] | None = None, **provider: Any) -> float:
    base = {
        "capacity": {"slots": 28},
        "answer": {"first_token": "200ms", "tokens": 65, "tokens_per_second": 80.0},
        "limits": {},
    }
    phases = [{"provider": {}}, {"provider": {"capacity": {"slots": 4}}}, {"provider": {}}]
    plan = {"provider": merged(base, provider), "phases": phases}
    return capacity_per_s(make_cell(phases=STORM, server_plan=plan, load=load), phase)


def test_capacity_is_slots_over_time_in_a_slot() -> None:
    """28 slots held for 0.2 s + 64 tokens at 80/s answer 28 calls a second, 4 slots answer 4."""
    assert capacity() == pytest.approx(28)
    assert capacity(phase=1) == pytest.approx(4)


@pytest.mark.parametrize(
    ("provider", "load", "expected"),
    [
        ({"limits": {"rpm": 600}}, {}, 10),
        ({"limits": {"tpm": 6900}}, {}, 1),
        ({"answer": {"slowdown": 1.0}}, {}, 28 / 1.8),
        ({"answer": {"prefill_tokens_per_second": 50}}, {}, 14),
        ({"answer": {"tokens": 1000}}, {"max_tokens": 65}, 28),
        ({}, {"api": "embeddings"}, 140),
        ({"regions": {"near": {}, "far": {"capacity": {"slots": 7}}}}, {"region": "far"}, 28),
    ],
)
def test_whatever_is_tightest_counts(provider: dict[str, Any], load: dict[str, Any], expected: float) -> None:
    """Requests and tokens per minute, prefill, slowdown, max_tokens and the kind of call all bear on it."""
    load = {"prompt_tokens": 50} | load
    if "tpm" in provider.get("limits", {}):
        load["prompt_tokens"] = 50
    assert capacity(load=load, **provider) == pytest.approx(expected)


def test_a_region_has_a_capacity_of_its_own() -> None:
    """The region that the cell calls is the one that is asked."""
    cell = make_cell(
        server_plan={
            "provider": {
                "regions": {"near": {}, "local": {"capacity": {"slots": 7}}},
                "capacity": {"slots": 28},
                "answer": {"first_token": "1s", "tokens": 1},
                "limits": {},
            },
            "phases": [],
        }
    )
    assert capacity_per_s(cell, 0) == pytest.approx(7)


@pytest.mark.parametrize("at_most", [None, 80])
@pytest.mark.parametrize("centre", ["median", "mean"])
def test_means_of_lognormals_are_those_of_samples(centre: str, at_most: float | None) -> None:
    """The closed forms agree with half a million draws, cut off or not."""
    sigma = np.log(160 / 60) / 2.3263478740408408
    median = 60.0
    mean = median * np.exp(sigma**2 / 2)
    spread = {"median": 60} if centre == "median" else {"mean": float(mean)}
    draws = median * np.exp(sigma * np.random.default_rng(3).standard_normal(500_000))
    expected = np.minimum(draws, at_most or np.inf).mean()
    assert mean_of(spread | {"p99": 160}, at_most=at_most) == pytest.approx(expected, rel=0.003)


def test_overrides_are_laid_over_the_whole() -> None:
    """Mappings merge key by key, other values are replaced, and a mean takes a median's place."""
    base = {"answer": {"tokens": {"median": 60, "p99": 160}}, "limits": {"rpm": 5}}
    part = {"answer": {"tokens": {"mean": 70}}, "limits": {"rpm": None}}
    assert merged(base, part) == {"answer": {"tokens": {"mean": 70, "p99": 160}}, "limits": {"rpm": None}}
