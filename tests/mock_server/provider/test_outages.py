"""When a region's port is closed: windows of rules, phases and plans, and every edge announced."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mock_server.engines import arrive, engine_with, plan
from windtunnel.mock_server.plan.plan import Plan

REGIONS: dict[str, Any] = {"regions": {"east": {}, "west": {}}}


def closed(engine: Any, region: str, now: float) -> str | None:
    """The name of the fault that closes a region's port, if one does."""
    use = engine.listening(region, now)
    return None if use is None else use.kind.name


def test_a_rule_closes_its_region_alone() -> None:
    """The other regions stay open; without a match all are closed; of two rules the first stands."""
    engine = engine_with(provider=REGIONS, rules=[{"fault": "refuse", "match": {"region": "west"}}])
    assert [closed(engine, region, 0.0) for region in ("east", "west")] == [None, "refuse"]
    both = [{"fault": "refuse", "match": {"region": "west"}}, {"fault": "blackhole"}]
    engine = engine_with(provider=REGIONS, rules=both)
    assert [closed(engine, region, 0.0) for region in ("east", "west")] == ["blackhole", "refuse"]


def test_a_request_that_comes_all_the_same_is_served() -> None:
    """On a connection that exists the answer is the healthy one, and the fault is none of the request's."""
    engine = engine_with(rules=[{"fault": "refuse"}])
    ticket = arrive(engine, 0.0)
    assert (ticket.state, ticket.faults) == ("running", ())


@pytest.mark.parametrize(
    ("now", "name"),
    [
        (-1.0, None),
        (0.0, "refuse"),
        (1.99, "refuse"),
        (2.0, None),
        (9.99, None),
        (10.0, "refuse"),
        (12.0, None),
    ],
)
def test_a_burst_opens_and_closes(now: float, name: str | None) -> None:
    """Closed in the first part of every period, open in the rest."""
    engine = engine_with(rules=[{"fault": "refuse", "burst": {"every": "10s", "for": "2s"}}])
    assert closed(engine, "local", now) == name


def test_the_bursts_of_a_phase_begin_with_it() -> None:
    """Periods are counted from the phase's start; those of rules that are always on from t0."""
    burst = {"every": "4s", "for": "1s"}
    phases = [
        {"name": "well", "for": "10s"},
        {"name": "dark", "for": "10s", "rules": [{"fault": "blackhole", "burst": burst}]},
    ]
    engine = engine_with(phases=phases, rules=[{"fault": "refuse", "burst": {"every": "30s", "for": "1s"}}])
    seen = [closed(engine, "local", now) for now in (0.5, 1.0, 9.0, 10.0, 10.99, 11.0, 14.0, 30.5)]
    assert seen == ["refuse", None, None, "blackhole", "blackhole", None, "blackhole", "refuse"]


def test_every_edge_is_announced() -> None:
    """`next_change` names each opening, closing and phase in turn, and nothing where nothing will happen."""
    burst = {"every": "4s", "for": "1s"}
    phases = [
        {"name": "well", "for": "2s"},
        {"name": "dark", "for": "6s", "rules": [{"fault": "refuse", "burst": burst}]},
        {"name": "after", "for": "5s"},
    ]
    engine = engine_with(phases=phases)
    now, edges = 0.0, []
    while (at := engine.next_change(now)) < math.inf:
        edges.append(at)
        engine.advance(at)
        now = at
    assert edges == [2.0, 3.0, 6.0, 7.0, 8.0]
    assert engine_with(rules=[{"fault": "refuse"}]).next_change(0.0) == math.inf
    whole = {"fault": "refuse", "burst": {"every": "2s", "for": "2s"}}
    assert engine_with(rules=[whole]).next_change(0.0) == math.inf


@given(st.floats(0.001, 1000), st.floats(0.001, 0.999), st.floats(-1000, 1_000_000), st.integers(0, 50))
def test_an_edge_is_always_ahead(every: float, share: float, start: float, steps: int) -> None:
    """Whatever the fractions, the next edge lies ahead of now and the state behind it is the other one."""
    burst = {"every": f"{every:.6f}s", "for": f"{every * share + 0.000001:.6f}s"}
    engine = engine_with(rules=[{"fault": "refuse", "burst": burst}])
    now = start
    for _ in range(steps):
        engine.advance(now)
        at = engine.next_change(now)
        if at == math.inf:  # a burst that never pauses
            assert burst["for"] == burst["every"]
            return
        assert at > now
        assert closed(engine, "local", now) != closed(engine, "local", at)
        now = at


def test_another_plan_and_a_reset_count_at_once() -> None:
    """`set_plan` closes and opens ports, and a reset begins the phases anew."""
    engine = engine_with()
    assert closed(engine, "local", 1.0) is None
    engine.set_plan(plan(rules=[{"fault": "blackhole"}]), 2.0)
    assert closed(engine, "local", 2.0) == "blackhole"
    phases = [{"name": "dark", "for": "2s", "rules": [{"fault": "refuse"}]}, {"name": "after", "for": "2s"}]
    engine.set_plan(plan(phases=phases), 3.0)
    assert closed(engine, "local", 3.0) is None
    engine.reset()
    assert closed(engine, "local", 0.0) == "refuse"


def test_a_plan_without_them_has_no_edges() -> None:
    """Rules of requests, bursts among them, set no timer."""
    burst = {"every": "4s", "for": "1s"}
    engine = engine_with(rules=[{"fault": "overloaded", "burst": burst}])
    assert engine.next_change(0.0) == math.inf
    assert math.isinf(engine._outages.next_change(0.0, 0))
    assert Plan().rules == []


def test_a_region_is_unreachable_in_a_phase() -> None:
    """Its own word closes it, before any rule does; the next phase finds it open again, and the edges are announced."""
    phases = [
        {"name": "before", "for": "10s"},
        {"name": "dark", "for": "10s", "provider": {"regions": {"west": {"reachable": "silent"}}}},
        {"name": "after", "for": "10s", "provider": {"regions": {"west": {"reachable": "refused"}}}},
        {"name": "end", "for": "10s"},
    ]
    rules = [{"fault": "refuse", "match": {"region": "east"}}]
    engine = engine_with(provider=REGIONS, rules=rules, phases=phases)
    found = []
    for now in (0.0, 10.0, 20.0, 30.0):
        found.append((closed(engine, "west", now), closed(engine, "east", now)))
        assert engine.advance(now).new_conditions or now == 0.0
    assert found == [(None, "refuse"), ("blackhole", "refuse"), ("refuse", "refuse"), (None, "refuse")]
