"""Which call a request belongs to, and which attempt of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mock_server.engines import arrive, engine_with, request
from windtunnel.mock_server.engine import Engine, Ticket
from windtunnel.mock_server.provider.calls import (
    NAMED_CALLS,
    NAMED_STEPS,
    OPEN_CALLS_PER_BODY,
    UNNAMED_BODIES,
    Registry,
    Via,
)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["c0", "c1", "w0", "a long name"]), max_size=50))
def test_attempts_are_counted_per_call_in_order_of_arrival(calls: list[str]) -> None:
    """However calls interleave, the n-th request of each is its attempt n."""
    registry = Registry()
    for i, name in enumerate(calls):
        assert registry.call_of(request(name))[0].next_attempt() == calls[:i].count(name)


def test_what_the_client_counts_does_not_move_a_named_call() -> None:
    """The SDK's count restarts in every outer retry; the server's goes on."""
    engine = engine_with()
    attempts = [arrive(engine, 0.0, "c7", sdk_retry_count=n, client_attempt=9).attempt for n in (0, 1, 0, 1)]
    assert attempts == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("call_id", "index"), [("c17", 17), ("w3", 3), ("t0", 0), ("checkout", None), ("c", None), ("c1x", None)]
)
def test_the_place_in_the_schedule_is_read_off_the_id(call_id: str, index: int | None) -> None:
    """`c17` is call 17 of its schedule; any other name has no place."""
    assert Registry().call_of(request(call_id))[0].index == index


def test_an_unnamed_request_is_a_call_of_its_own_and_marked() -> None:
    """Without an id and a retry count, the same body twice is two calls, both inferred."""
    engine = engine_with()
    first, second = arrive(engine, 0.0, None), arrive(engine, 0.0, None)
    assert first.call_id != second.call_id
    assert {first.identity, second.identity} == {"inferred"}
    assert (first.attempt, second.attempt) == (0, 0)
    assert arrive(engine, 0.0, "c0").identity == "header"


def test_the_sdk_s_retry_count_links_unnamed_attempts() -> None:
    """Same body, same key, retry counts 0, 1, 2: one call with three attempts."""
    engine = engine_with()
    tickets = [arrive(engine, 0.0, None, sdk_retry_count=n) for n in (0, 1, 2)]
    assert len({ticket.call_id for ticket in tickets}) == 1
    assert [ticket.attempt for ticket in tickets] == [0, 1, 2]


def test_a_retry_belongs_to_the_latest_call_that_it_can_belong_to() -> None:
    """One after the other, equal bodies are told apart: the retry goes to the call that was made last."""
    engine = engine_with()
    served = arrive(engine, 0.0, None, sdk_retry_count=0)
    failed = arrive(engine, 1.0, None, sdk_retry_count=0)
    retry = arrive(engine, 2.0, None, sdk_retry_count=1)
    assert retry.call_id == failed.call_id != served.call_id


def test_other_bodies_and_keys_are_other_calls() -> None:
    """A retry is never linked across bodies or keys."""
    engine = engine_with()
    first = arrive(engine, 0.0, None, sdk_retry_count=0)
    other_body = arrive(engine, 0.0, None, sdk_retry_count=1, body_hash="b2")
    other_key = arrive(engine, 0.0, None, sdk_retry_count=1, key_hash="k2")
    assert len({first.call_id, other_body.call_id, other_key.call_id}) == 3


def test_occurrences_of_a_body_are_numbered() -> None:
    """The draw key of an unnamed call is its body and the how-manieth such call it is."""
    engine = engine_with()
    again = engine_with()
    ids = [arrive(engine, 0.0, None).call_id for _ in range(3)]
    assert ids == [arrive(again, 5.0, None).call_id for _ in range(3)]
    assert len(set(ids)) == 3


def test_memory_for_calls_is_bounded() -> None:
    """The least recently used names, bodies and open calls are forgotten."""
    registry = Registry()
    for i in range(NAMED_CALLS + 10):
        registry.call_of(request(f"c{i}"))[0].next_attempt()
    assert len(registry._named) == NAMED_CALLS
    assert registry.call_of(request("c0"))[0].attempts == 0
    assert registry.call_of(request(f"c{NAMED_CALLS}"))[0].attempts == 1
    for i in range(UNNAMED_BODIES + 10):
        registry.call_of(request(None, body_hash=f"b{i}"))
    assert len(registry._bodies) == UNNAMED_BODIES
    for _ in range(OPEN_CALLS_PER_BODY + 10):
        registry.call_of(request(None, body_hash="same", sdk_retry_count=0))
    assert len(registry._bodies["same"].seen) == OPEN_CALLS_PER_BODY


def test_memory_for_steps_is_bounded() -> None:
    """One call may make any number of steps, and so may many calls: the oldest are forgotten."""
    registry = Registry()
    for i in range(NAMED_STEPS + 10):
        registry.call_of(request("c0", body_hash=f"b{i}"))
    assert registry._steps == len(registry._named["c0"]) == NAMED_STEPS
    registry.call_of(request("c1"))
    assert registry._steps == 1


def fail(engine: Engine, now: float, via: Via | None = None, **parts: Any) -> Ticket:
    """One unnamed request that comes on `via`, is refused at once, and whose answer is over at once."""
    ticket = engine.identify(request(None, **parts), now, via)
    engine.admit(ticket, now)
    assert ticket.status == 500
    engine.answered(ticket, now, complete=True)
    return ticket


def failing() -> Engine:
    """An engine where each call fails twice."""
    return engine_with(rules=[{"fault": "server_error", "first": 2}])


def test_retries_above_the_sdk_are_one_call() -> None:
    """Without an id, a like request on the connection of a failure is its retry; after a success it is a new call."""
    engine, via = failing(), Via(1, 0.0, 0)
    first, second = fail(engine, 1.0, via), fail(engine, 2.0, via._replace(requests_before=1))
    third = engine.identify(request(None), 3.0, via._replace(requests_before=2))
    engine.admit(third, 3.0)
    assert [one.attempt for one in (first, second, third)] == [0, 1, 2]
    assert len({one.call_id for one in (first, second, third)}) == 1
    assert third.state == "granted"
    assert second.identity_certainty >= 0.9
    engine.start(third, 3.0)
    engine.answered(third, 4.0, complete=True)
    another = engine.identify(request(None), 5.0, via._replace(requests_before=3))
    assert (another.attempt, another.call_id == third.call_id) == (0, False)
    assert another.identity_certainty >= 0.9


def test_a_client_that_left_comes_back_as_a_retry() -> None:
    """A timeout above the SDK closes the connection; what comes next on a new one is its retry."""
    engine = engine_with()
    first = engine.identify(request(None), 0.0, Via(1, 0.0, 0))
    engine.admit(first, 0.0)
    engine.answered(first, 4.0, complete=False)
    engine.disconnected(1)
    second = engine.identify(request(None), 5.0, Via(2, 4.9, 0))
    assert (second.call_id, second.attempt) == (first.call_id, 1)
    assert second.identity_certainty >= 0.9


def test_while_a_like_request_is_in_flight_a_new_one_is_a_new_call() -> None:
    """Callers with one prompt at once are as many calls, whatever became of others meanwhile."""
    engine = failing()
    fail(engine, 0.0, Via(1, 0.0, 0))
    tickets = [engine.identify(request(None), 1.0, Via(2 + i, 0.5, 0)) for i in range(24)]
    assert {ticket.attempt for ticket in tickets} == {0}
    assert len({ticket.call_id for ticket in tickets}) == 24


def test_a_retry_on_its_own_connection_is_seen_beside_others_in_flight() -> None:
    """A failed call's connection tells its retry, with less certainty while a like request is in flight."""
    engine = failing()
    first = fail(engine, 0.0, Via(1, 0.0, 0))
    engine.identify(request(None), 1.0, Via(2, 0.5, 0))
    again = engine.identify(request(None), 2.0, Via(1, 0.0, 1))
    assert (again.call_id, again.attempt, again.identity_certainty < 0.9) == (first.call_id, 1, True)


def test_callers_at_once_that_are_refused_at_once_are_not_one_caller_retrying() -> None:
    """24 connections, each opened before or right after another's failure: 24 calls; each then retries on its own."""
    engine = failing()
    vias = [Via(i, 0.002 * i, 0) for i in range(24)]
    first = [fail(engine, 0.002 * i + 0.001, via) for i, via in enumerate(vias)]
    assert [ticket.attempt for ticket in first] == [0] * 24
    assert len({ticket.call_id for ticket in first}) == 24
    for round_ in (1, 2):
        for via, ticket in zip(reversed(vias), reversed(first), strict=True):
            again = engine.identify(request(None), float(round_), via._replace(requests_before=round_))
            assert (again.call_id, again.attempt) == (ticket.call_id, round_)
            engine.admit(again, float(round_))
            engine.answered(again, float(round_), complete=True)


def test_a_retrier_that_connects_anew_each_time_gets_through() -> None:
    """A client that leaves each answer unread keeps its connection open and opens another: `first: 2` ends for it."""
    engine = failing()
    tickets: list[Ticket] = []
    while not tickets or (tickets[-1].state != "granted" and len(tickets) < 12):
        now = 0.3 * len(tickets)
        tickets.append(engine.identify(request(None), now, Via(len(tickets), now - 0.01, 0)))
        engine.admit(tickets[-1], now)
        if tickets[-1].state != "granted":
            engine.answered(tickets[-1], now, complete=True)
    assert tickets[-1].state == "granted"
    assert len(tickets) <= 8
    assert all(ticket.identity_certainty < 0.9 for ticket in tickets[1:])


def test_an_idempotency_key_tells_calls_and_retries_apart() -> None:
    """The same key is the same call, on whatever connection; another key is another call."""
    engine = failing()
    first = fail(engine, 0.0, Via(1, 0.0, 0), idempotency_key="i1")
    other = fail(engine, 1.0, Via(1, 0.0, 1), idempotency_key="i2")
    again = fail(engine, 1.0, Via(2, 1.0, 0), idempotency_key="i1")
    assert (other.attempt, again.attempt) == (0, 1)
    assert again.call_id == first.call_id != other.call_id
    assert min(other.identity_certainty, again.identity_certainty) >= 0.9


def test_what_shows_less_is_less_certain() -> None:
    """A named call is certain; the SDK's count nearly so; a guess among several, or long after, is not enough."""
    engine = failing()
    assert arrive(engine, 0.0, "c0").identity_certainty == 1.0
    fail(engine, 0.0, Via(1, 0.0, 0), sdk_retry_count=0)
    counted = fail(engine, 1.0, Via(1, 0.0, 1), sdk_retry_count=1)
    assert 0.9 <= counted.identity_certainty < 1.0
    assert fail(engine, 2.0, Via(1, 0.0, 2), sdk_retry_count=4, body_hash="b3").identity_certainty < 0.9
    fail(engine, 2.0, Via(3, 1.9, 0), body_hash="b4")
    late = fail(engine, 102.0, Via(4, 101.0, 0), body_hash="b4")
    assert (late.attempt, late.identity_certainty < 0.9) == (1, True)
    forgotten = fail(engine, 500.0, Via(4, 101.0, 1), body_hash="b4")
    assert forgotten.attempt == 0


@pytest.mark.parametrize("other", [{"region": "eu"}, {"key_hash": "k2"}, {"body_hash": "b2"}])
def test_only_like_requests_are_retries(other: dict[str, Any]) -> None:
    """A like request has the same key, body and region."""
    regions = {"local": {}, "eu": {}}
    engine = engine_with(provider={"regions": regions}, rules=[{"fault": "server_error", "first": 2}])
    first = fail(engine, 0.0, Via(1, 0.0, 0))
    assert fail(engine, 1.0, Via(1, 0.0, 1), **other).call_id != first.call_id


def test_requests_with_other_bodies_are_other_steps() -> None:
    """An agent's requests have one call id: each different one has its own attempts, rules and answer."""
    engine = engine_with(rules=[{"fault": "server_error", "first": 1}])
    tickets = [arrive(engine, 0.0, "c7", body_hash=body) for body in ("b1", "b1", "b2", "b2", "b1")]
    assert [ticket.call.step for ticket in tickets] == [0, 0, 1, 1, 0]
    assert [ticket.attempt for ticket in tickets] == [0, 1, 0, 1, 2]
    assert [ticket.status for ticket in tickets] == [500, 200, 500, 200, 200]
    assert {ticket.call_id for ticket in tickets} == {"c7"}
    assert {ticket.call.index for ticket in tickets} == {7}


def test_a_declared_step_counts_whatever_the_body() -> None:
    """`x-windtunnel-step` says which step it is, for clients whose retries change the body."""
    engine = engine_with()
    tickets = [arrive(engine, 0.0, "c7", body_hash=f"b{i}", step=step) for i, step in enumerate((0, 0, 3, 3))]
    assert [(ticket.call.step, ticket.attempt) for ticket in tickets] == [(0, 0), (0, 1), (3, 0), (3, 1)]
