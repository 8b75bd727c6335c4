"""Draws belong to calls and attempts: the same seed is the same incident, whoever arrives when."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mock_server.engines import arrive, engine_with
from windtunnel.mock_server.engine import Engine, Ticket

PROVIDER = {
    "regions": {"local": {"rtt": {"mean": "89ms", "p99": "210ms"}}},
    "capacity": {"slots": 10_000},
    "answer": {"first_token": {"median": "250ms", "p99": "900ms"}, "tokens": {"median": 60, "p99": 160}},
}
RULES = [
    {"fault": "server_error", "rate": 0.3, "id": "errors"},
    {"fault": "stall", "with": {"after_chunks": 2, "seconds": "5s"}, "rate": 0.4, "id": "stalls"},
]
CALLS = [f"c{i}" for i in range(12)] * 3


def fate(engine: Engine, ticket: Ticket) -> tuple[Any, ...]:
    """Everything that chance decided about an attempt."""
    if ticket.started_s is None:
        return (ticket.status, ticket.faults, ticket.rtt_s)
    first = round(engine.due(ticket, 0) - ticket.started_s, 9)
    return (ticket.status, ticket.faults, ticket.rtt_s, first, ticket.tokens_planned, ticket.truth_digest)


def fates(order: list[str], seed: int = 7) -> dict[tuple[str, int], tuple[Any, ...]]:
    """Attempts of calls arriving in `order`, 10 ms apart."""
    engine = engine_with(provider=PROVIDER, rules=RULES, seed=seed)
    tickets = [arrive(engine, i * 0.01, call) for i, call in enumerate(order)]
    return {(ticket.call_id, ticket.attempt): fate(engine, ticket) for ticket in tickets}


@settings(deadline=None)
@given(st.permutations(CALLS))
def test_the_order_of_arrival_moves_no_draw(order: list[str]) -> None:
    """However the attempts of all calls interleave, each meets the same fault, latency and answer."""
    assert fates(order) == fates(CALLS)


def test_another_seed_is_another_incident() -> None:
    """Two seeds differ; the same seed twice does not."""
    assert fates(CALLS, seed=7) != fates(CALLS, seed=8)
    assert fates(CALLS, seed=7) == fates(CALLS, seed=7)


def test_other_calls_in_between_move_nothing() -> None:
    """A call's fate is its own, with or without a crowd around it."""
    crowd = [call for name in CALLS for call in (name, f"w{random.Random(name).randrange(99)}")]
    alone, among = fates(CALLS), fates(crowd)
    assert {key: among[key] for key in alone} == alone


def test_every_attempt_of_a_call_means_the_same_answer() -> None:
    """Token count and truth are drawn per call; the time to the first token per attempt."""
    engine = engine_with(provider=PROVIDER, seed=7)
    tickets = [arrive(engine, float(i), "c3") for i in range(5)]
    assert len({(ticket.tokens_planned, ticket.truth_digest) for ticket in tickets}) == 1
    assert len({engine.due(ticket, 0) - ticket.arrived_s for ticket in tickets}) == 5


def test_draws_have_the_distributions_of_the_plan() -> None:
    """Median and p99 of 4,000 first tokens, lengths and round trips are those asked for."""
    engine = engine_with(provider=PROVIDER, seed=1)
    tickets = [arrive(engine, i * 1e-4, f"c{i}") for i in range(4000)]
    firsts = sorted(engine.due(ticket, 0) - ticket.arrived_s for ticket in tickets)
    lengths = sorted(ticket.tokens_planned for ticket in tickets)
    trips = sorted(ticket.rtt_s for ticket in tickets)
    assert firsts[2000] == pytest.approx(0.25, rel=0.05)
    assert firsts[3960] == pytest.approx(0.9, rel=0.15)
    assert lengths[2000] == pytest.approx(60, rel=0.05)
    assert lengths[3960] == pytest.approx(160, rel=0.15)
    assert sum(trips) / 4000 == pytest.approx(0.089, rel=0.03)
    assert trips[3960] == pytest.approx(0.21, rel=0.15)


def test_constants_are_exact() -> None:
    """A bare duration or count is drawn from nothing."""
    engine = engine_with(provider={"regions": {"local": {"rtt": "20ms"}}})
    ticket = arrive(engine, 0.0)
    assert (ticket.rtt_s, engine.due(ticket, 0), ticket.tokens_planned) == (0.02, 0.3, 60)
    assert arrive(engine_with(), 0.0).rtt_s == 0.0


def statuses(engine: Engine, calls: list[str]) -> list[int | None]:
    return [arrive(engine, i * 0.1, call).status for i, call in enumerate(calls)]


COUNTED: list[tuple[dict[str, Any], str, list[str], list[int]]] = [
    ({"first": 2}, "call", ["c0", "c0", "c0", "c1", "c1", "c1"], [500, 500, 200, 500, 500, 200]),
    ({"first": 2}, "rule", ["c0", "c0", "c0", "c1", "c1", "c1"], [500, 500, 200, 200, 200, 200]),
    ({"every": 3}, "call", ["c2", "c0", "c1", "c5", "c5", "c3"], [500, 200, 200, 500, 500, 200]),
    ({"every": 3}, "rule", ["c2", "c0", "c1", "c5", "c5", "c3"], [200, 200, 500, 200, 200, 500]),
    ({"sequence": ["overloaded", "ok", "server_error"]}, "call", ["c0", "c0", "c0", "c0", "c1"],
     [503, 200, 500, 200, 503]),
    ({"sequence": ["overloaded", "ok", "server_error"]}, "rule", ["c0", "c1", "c2", "c3", "c0"],
     [503, 200, 500, 200, 200]),
]  # fmt: skip


@pytest.mark.parametrize(("trigger", "per", "calls", "expected"), COUNTED)
def test_counting_rules_count_per_call_or_per_rule(
    trigger: dict[str, Any], per: str, calls: list[str], expected: list[int]
) -> None:
    """`first` and `sequence` go by the call's attempts, `every` by the call's place in the schedule; per rule, all
    go by the order of arrival."""
    fault = {} if "sequence" in trigger else {"fault": "server_error"}
    assert statuses(engine_with(rules=[{**fault, **trigger, "per": per}]), calls) == expected


@settings(deadline=None)
@given(st.permutations(["c0", "c0", "c1", "c1", "c2", "c2", "c5", "c5"]))
def test_counting_per_call_does_not_depend_on_the_order(calls: list[str]) -> None:
    """Which attempts of which calls are hit is the same for every order of arrival."""
    engine = engine_with(rules=[{"fault": "server_error", "first": 1}, {"fault": "overloaded", "every": 3}])
    tickets = [arrive(engine, i * 0.1, call) for i, call in enumerate(calls)]
    hit = {(ticket.call_id, ticket.attempt): ticket.faults for ticket in tickets if ticket.faults}
    firsts = {(f"c{i}", 0): ("server_error",) for i in (0, 1, 2, 5)}
    assert hit == {**firsts, ("c2", 1): ("overloaded",), ("c5", 1): ("overloaded",)}
