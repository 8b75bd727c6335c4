"""The schedule of slot ends, and what an engine tells its caller: by itself, at any speed."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.mock_server.engines import arrive, engine_with, plan, request
from windtunnel.mock_server.engine import Engine, Ticket

WHOLE = 0.3 + 59 / 80


def run(engine: Engine, until: float) -> list[tuple[float, list[Ticket], list[Ticket]]]:
    """Do what the engine asks for, and nothing else; returns when what ended and started."""
    seen, now = [], 0.0
    while (now := engine.next_change(now)) <= until:
        happened = engine.advance(now)
        for ticket in happened.started:
            engine.start(ticket, now)
        if happened.ended or happened.started:
            seen.append((now, happened.ended, happened.started))
    return seen


def test_slots_end_and_pass_on_without_being_asked_for() -> None:
    """A caller that only calls `advance` when `next_change` says sees each end, and who starts then."""
    engine = engine_with(provider={"capacity": {"slots": 1}})
    first, second = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1")
    seen = run(engine, 60.0)
    assert [(ended, started) for _, ended, started in seen] == [([first], [second]), ([second], [])]
    assert [at for at, _, _ in seen] == [pytest.approx(WHOLE), pytest.approx(2 * WHOLE)]
    assert (first.state, second.tokens_billed) == ("ended", 60)
    assert engine.next_change(10.0) == math.inf


def test_another_speed_moves_the_ends() -> None:
    """Twice the speed from 0.5 s on: what was left then takes half the time."""
    slow: dict[str, Any] = {"answer": {"tokens_per_second": 160}}
    phases = [{"name": "slow", "for": "500ms"}, {"name": "fast", "for": "10s", "provider": slow}]
    engine = engine_with(phases=phases)
    ticket = arrive(engine, 0.0)
    assert engine.next_change(0.0) == 0.5
    happened = engine.advance(0.5)
    assert (happened.new_speed, happened.new_conditions, happened.ended) == (True, True, [])
    assert engine.next_change(0.5) == pytest.approx(0.5 + (59 - 16) / 160)
    assert run(engine, 2.0)[0][1] == [ticket]


def test_a_late_call_ends_all_that_is_due_in_order() -> None:
    """However late `advance` comes, slots end in the order in which they were due."""
    engine = engine_with(provider={"capacity": {"slots": 3}})
    long = arrive(engine, 0.0, "c0")
    short = arrive(engine, 0.0, "c1", max_tokens=5)
    other = arrive(engine, 0.0, "c2", max_tokens=5)
    assert engine.advance(60.0).ended == [short, other, long]


def test_what_has_happened_is_told_once_and_at_once() -> None:
    """While there is something that the caller has not heard of, `next_change` is now; then it is told, once."""
    engine = engine_with(provider={"capacity": {"slots": 1, "abandoned": "stop"}})
    first, second = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1")
    assert engine.next_change(0.1) > 0.1
    engine.left(first, 0.2)
    assert engine.next_change(0.2) == 0.2
    assert engine.advance(0.2).started == [second]
    assert engine.advance(0.2).started == []
    assert engine.next_change(0.2) == math.inf


def test_a_slot_that_only_leaving_frees_has_no_end_before() -> None:
    """An endless fault that holds the slot sets no time; when the client leaves, the work's own end counts."""
    engine = engine_with(rules=[{"fault": "stall", "holds_slot": True, "with": {"after_chunks": 1}}])
    ticket = arrive(engine, 0.0)
    assert engine.next_change(0.0) == math.inf
    engine.left(ticket, 0.1)
    assert engine.next_change(0.1) == pytest.approx(WHOLE)
    assert run(engine, 2.0)[0][1] == [ticket]


def test_ended_work_is_not_kept_until_it_was_due() -> None:
    """Answers of an hour that are given up leave the schedule soon, and their tickets the memory."""
    answer = {"tokens": 3_600, "tokens_per_second": 1}
    engine = engine_with(provider={"capacity": {"slots": 500, "abandoned": "stop"}, "answer": answer})
    for n in range(300):
        engine.left(arrive(engine, 0.0, f"c{n}"), 0.1)
    engine.next_change(0.2)
    assert len(engine._schedule._heap) <= 1


def test_a_bug_at_one_end_leaves_the_others_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be ended is told as failed; whatever else is due ends."""
    engine = engine_with()
    first, second = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1")
    sound = engine._finish

    def finish(ticket: Ticket, now: float) -> list[Ticket]:
        if ticket is first:
            raise RuntimeError
        return sound(ticket, now)

    monkeypatch.setattr(engine, "_finish", finish)
    happened = engine.advance(5.0)
    assert ([ticket for ticket, _ in happened.failed], happened.ended) == ([first], [second])


def test_another_plan_is_told_and_a_reset_forgets_the_ends() -> None:
    """Requests of before a reset end nothing after it."""
    engine = engine_with()
    arrive(engine, 0.0)
    engine.set_plan(plan(), 0.1)
    assert engine.advance(0.1).new_conditions
    engine.reset()
    assert engine.next_change(0.0) == math.inf
    assert engine.identify(request("c0"), 0.0).attempt == 0
