"""Which call a request belongs to, and which attempt of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mock_server.engines import arrive, engine_with, request
from windtunnel.mock_server.provider.calls import NAMED_CALLS, OPEN_CALLS_PER_BODY, UNNAMED_BODIES, Registry


@settings(deadline=None)
@given(st.lists(st.sampled_from(["c0", "c1", "w0", "a long name"]), max_size=50))
def test_attempts_are_counted_per_call_in_order_of_arrival(calls: list[str]) -> None:
    """However calls interleave, the n-th request of each is its attempt n."""
    registry = Registry()
    for i, name in enumerate(calls):
        assert registry.call_of(request(name)).next_attempt() == calls[:i].count(name)


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
    assert Registry().call_of(request(call_id)).index == index


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
        registry.call_of(request(f"c{i}")).next_attempt()
    assert len(registry._named) == NAMED_CALLS
    assert registry.call_of(request("c0")).attempts == 0
    assert registry.call_of(request(f"c{NAMED_CALLS}")).attempts == 1
    for i in range(UNNAMED_BODIES + 10):
        registry.call_of(request(None, body_hash=f"b{i}"))
    assert len(registry._bodies) == UNNAMED_BODIES
    for _ in range(OPEN_CALLS_PER_BODY + 10):
        registry.call_of(request(None, body_hash="same", sdk_retry_count=0))
    assert len(registry._bodies["same"].open) == OPEN_CALLS_PER_BODY
