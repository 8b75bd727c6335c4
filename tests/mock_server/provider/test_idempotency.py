"""`Idempotency-Key`: one execution, however often it is asked for."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.mock_server.engine.test_work_handles import BACKGROUND, WHOLE, Objects
from tests.mock_server.engines import arrive, body, engine_with, finish, leave, request
from windtunnel.mock_server.engine import Engine, Ticket
from windtunnel.mock_server.provider import idempotency
from windtunnel.mock_server.provider.idempotency import Idempotency
from windtunnel.mock_server.request import FormPart

KEY: dict[str, Any] = {"idempotency_key": "i1"}


def same(first: Ticket, second: Ticket) -> bool:
    """Do both send the same bytes?"""
    return body(first) == body(second) and first.truth_digest == second.truth_digest


def test_a_replay_is_the_same_answer_without_a_second_execution() -> None:
    """No second effect, slot, quota or bill, under another call's name as well."""
    engine = Objects(provider={"limits": {"rpm": 60}, "answer": {"tokens": {"median": 60, "p99": 600}}})
    first = engine.arrive(0.0, "c0", **KEY)
    finish(engine.engine, first, 60.0)
    again = engine.arrive(60.0, "another", **KEY)
    assert same(first, again)
    assert (first.replay, again.replay) == (False, True)
    assert (again.executed, again.tokens_billed, again.prompt_tokens_billed) == (False, 0, 0)
    assert engine.effects == ["c0"]
    assert engine.engine.due(again, 59) == 60.0
    snapshot = engine.engine.snapshot(60.0)
    assert snapshot["in_flight"] == 0
    assert snapshot["regions"]["local"]["limits"][0]["remaining_requests"] == 60
    assert finish(engine.engine, again, 60.0) == []
    assert again.tokens_billed == 0


def test_without_a_key_the_same_body_is_executed_again() -> None:
    """The key makes the difference, not the body."""
    engine = Objects()
    assert [engine.arrive(0.0, "c0").executed for _ in range(2)] == [True, True]
    assert engine.effects == ["c0", "c0"]


def test_a_replay_is_ready_when_the_first_one_is() -> None:
    """It follows the work that is under way, token by token."""
    engine = engine_with()
    first = arrive(engine, 0.0, "c0", **KEY)
    again = arrive(engine, 0.5, "c0", **KEY)
    assert (again.state, again.attempt) == ("running", 1)
    assert [engine.due(again, n) for n in (0, 7, 59)] == [engine.due(first, n) for n in (0, 7, 59)]
    assert again.slot_end() == first.slot_end()
    assert engine.snapshot(0.5)["in_flight"] == 1


def test_a_replay_of_a_queued_request_waits_with_it() -> None:
    """It takes no place in the queue, and may start when the first one has."""
    engine = engine_with(provider={"capacity": {"slots": 1}})
    busy, first = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1", **KEY)
    again = arrive(engine, 0.1, "c1", **KEY)
    assert (again.state, engine.snapshot(0.1)["queue_depth"]) == ("queued", 1)
    (granted,) = finish(engine, busy, WHOLE)
    assert granted is first
    engine.start(first, WHOLE)
    assert engine.advance(WHOLE).started == [again]
    engine.start(again, WHOLE)
    assert same(first, again)
    assert engine.due(again, 0) == engine.due(first, 0)


@pytest.mark.parametrize("queued", [True, False])
def test_what_somebody_else_waits_for_is_not_given_up(queued: bool) -> None:
    """Under `stop` a request goes on when its client leaves and a replay of it has come; a replay may leave."""
    engine = engine_with(provider={"capacity": {"slots": 1, "abandoned": "stop"}})
    busy = arrive(engine, 0.0, "c0") if queued else None
    first = arrive(engine, 0.0, "c1", **KEY)
    again, third = (arrive(engine, 0.1, "c1", **KEY) for _ in range(2))
    assert leave(engine, first, 0.2) == []
    assert leave(engine, third, 0.2) == []
    assert third.state in ("gone", "ended")
    if busy is not None:
        assert finish(engine, busy, WHOLE) == [first]
        engine.start(first, WHOLE)
        assert engine.advance(WHOLE).started == [again]
    assert first.state == "running"
    assert not first.abandoned


def test_what_was_given_up_is_forgotten_with_its_key() -> None:
    """Under `stop` a client that left in the middle and comes back with its key begins anew."""
    engine = engine_with(provider={"capacity": {"abandoned": "stop"}})
    first = arrive(engine, 0.0, "c0", **KEY)
    leave(engine, first, 0.5)
    again = arrive(engine, 0.6, "c0", **KEY)
    assert (again.replay, again.executed) == (False, True)


def test_abandoned_work_under_keep_working_is_found_by_the_retry() -> None:
    """The retry of an abandoned attempt gets the first one's answer, and nothing is done twice."""
    engine = engine_with()
    first = arrive(engine, 0.0, "c0", **KEY)
    leave(engine, first, 0.5)
    again = arrive(engine, 0.6, "c0", **KEY)
    assert (first.executed, again.executed, again.replay) == (True, False, True)
    unkeyed = engine_with()
    leave(engine, arrive(unkeyed, 0.0, "c0"), 0.5)
    assert arrive(unkeyed, 0.6, "c0").executed


def test_another_request_under_the_key_is_a_conflict() -> None:
    """Same key, other body: a 409 in OpenAI's form, before any fault, and no effect."""
    engine = Objects(rules=[{"fault": "server_error", "match": {"attempt": 1}}])
    engine.arrive(0.0, "c0", **KEY)
    other = engine.arrive(0.0, "c0", body_hash="b2", **KEY)
    error = orjson.loads(body(other))["error"]
    assert (other.status, other.state, error["type"]) == (409, "refused", "idempotency_error")
    assert engine.effects == ["c0"]


def test_a_refused_request_leaves_its_key_unused() -> None:
    """What was never accepted is not remembered: the retry is a first execution."""
    engine = engine_with(rules=[{"fault": "server_error", "match": {"attempt": 0}}])
    assert arrive(engine, 0.0, "c0", **KEY).status == 500
    again = arrive(engine, 0.0, "c0", **KEY)
    assert (again.status, again.replay, again.executed) == (200, False, True)


def test_faults_act_on_replays() -> None:
    """Gateways and networks fail for a repeated request as for any; its answer is still the first one's."""
    rules = [
        {"fault": "server_error", "match": {"attempt": 1}},
        {"fault": "stall", "with": {"seconds": "1s"}, "match": {"attempt": 2}},
    ]
    engine = engine_with(rules=rules)
    first, failed, stalled = (arrive(engine, 0.0, "c0", **KEY) for _ in range(3))
    assert (failed.status, failed.replay) == (500, False)
    assert (stalled.faults, stalled.replay) == (("stall",), True)
    assert same(first, stalled)


@pytest.mark.parametrize(
    "other",
    [{"region": "eu"}, {"key_hash": "k2"}, {"endpoint": "embeddings.create"}, {"idempotency_key": "i2"}],
)
def test_a_key_belongs_to_a_region_an_api_key_and_an_endpoint(other: dict[str, Any]) -> None:
    """Elsewhere the same key is another one."""
    engine = engine_with(provider={"regions": {"local": {}, "eu": {}}})
    arrive(engine, 0.0, "c0", **KEY)
    assert not arrive(engine, 0.0, "c0", **(KEY | other)).replay


def test_what_is_only_read_has_no_use_for_a_key() -> None:
    """A GET is not remembered."""
    engine = engine_with()
    listing = {"api": "models", "model": "", "stream": False, "endpoint": "models.list"}
    assert [arrive(engine, 0.0, "c0", **listing, **KEY).replay for _ in range(2)] == [False, False]


def test_a_replay_of_background_work_is_the_early_answer() -> None:
    """The repeated creation answers at once with the same object, queued or not."""
    engine = Objects(provider={"capacity": {"slots": 1}})
    engine.arrive(0.0, "c0")
    first = engine.arrive(0.0, "c1", **BACKGROUND, **KEY)
    again = engine.arrive(0.0, "c1", **BACKGROUND, **KEY)
    assert (first.state, again.state) == ("queued", "running")
    assert first.early is not None
    assert again.early == first.early
    assert engine.effects == ["c0", "c1"]


def test_a_form_is_known_by_its_contents() -> None:
    """A retry of an upload has another boundary, and so other bytes; another file is another request."""
    engine = engine_with()
    upload = {"api": "files", "model": "", "stream": False, "endpoint": "files.create", **KEY}
    part = FormPart("a.jsonl", "application/json", b"{}")
    first = {"body": {"purpose": "batch"}, "parts": {"file": (part,)}}
    arrive(engine, 0.0, "c0", body_hash="b1", **upload, **first)
    assert arrive(engine, 0.0, "c0", body_hash="b2", **upload, **first).replay
    other = {
        "body": {"purpose": "batch"},
        "parts": {"file": (FormPart("a.jsonl", "application/json", b"[]"),)},
    }
    assert arrive(engine, 0.0, "c0", body_hash="b3", **upload, **other).status == 409


def test_memory_for_keys_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are capped in number and in the bytes of their answers; the least recently used one goes first."""
    monkeypatch.setattr(idempotency, "MAX_KEYS", 3)
    engine = engine_with()
    registry = engine._idempotency
    for n in range(3):
        arrive(engine, 0.0, f"c{n}", idempotency_key=f"i{n}")
    assert arrive(engine, 0.0, "c0", idempotency_key="i0").replay
    arrive(engine, 0.0, "c3", idempotency_key="i3")
    assert arrive(engine, 0.0, "c0", idempotency_key="i0").replay
    assert not arrive(engine, 0.0, "c1", idempotency_key="i1").replay
    assert len(registry) == 3
    _fits_in_bytes(monkeypatch, engine, registry)


def _fits_in_bytes(monkeypatch: pytest.MonkeyPatch, engine: Engine, registry: Idempotency) -> None:
    monkeypatch.setattr(idempotency, "MAX_BYTES", 100)
    arrive(engine, 0.0, "c9", idempotency_key="i9")
    assert (len(registry), registry._bytes) == (1, 66)


def test_what_is_over_keeps_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the work is done the answer is remembered, and the request's body is not."""
    engine = engine_with()
    first = arrive(engine, 0.0, "c0", **KEY)
    found = engine._idempotency.find(request("c0", **KEY))
    assert isinstance(found, idempotency.IdempotencyEntry)
    assert found.ticket is first
    finish(engine, first, WHOLE)
    assert found.ticket is None
