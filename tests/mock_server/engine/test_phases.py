"""Phases, warm-up, tail, and plans that are swapped or begun anew while requests are under way."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.mock_server.engines import arrive, engine_with, finish, leave, plan
from windtunnel.mock_server.engine import Engine

STORM: list[dict[str, Any]] = [
    {"name": "healthy", "for": "8s"},
    {"name": "brownout", "for": "12s", "provider": {"capacity": {"slots": 4}}},
    {"name": "after", "for": "30s"},
]


def storm(**provider: object) -> Engine:
    return engine_with(provider={"capacity": {"slots": 28}, **provider}, phases=STORM)


@pytest.mark.parametrize(
    ("now", "index", "name"),
    [(-5.0, 0, "healthy"), (0.0, 0, "healthy"), (7.999, 0, "healthy"), (8.0, 1, "brownout"), (19.999, 1, "brownout"),
     (20.0, 2, "after"), (50.0, 2, "after"), (500.0, 2, "after")],
)  # fmt: skip
def test_the_first_phase_holds_in_the_warm_up_and_the_last_in_the_tail(
    now: float, index: int, name: str
) -> None:
    """A phase begins exactly at its time; before t0 the first one's conditions hold, after the end the last one's."""
    engine = storm()
    assert arrive(engine, now).phase == index
    assert engine.snapshot(now)["phase"] == name


def test_next_change_names_every_boundary_and_then_none() -> None:
    """The shell is told 8 s, then 20 s, then nothing; the end of the last phase changes nothing."""
    engine = storm()
    assert engine.next_change(-5.0) == 8.0
    engine.advance(8.0)
    assert engine.next_change(8.0) == 20.0
    engine.advance(20.0)
    assert engine.next_change(20.0) == math.inf
    assert engine_with().next_change(0.0) == math.inf


def test_fewer_slots_pre_empt_nothing_and_start_nothing() -> None:
    """28 answers run on into the brownout; nothing new starts until fewer than 4 are left."""
    engine = storm()
    running = [arrive(engine, 7.5, f"c{i}") for i in range(28)]
    waiting = [arrive(engine, 8.0, f"d{i}") for i in range(3)]
    assert {ticket.state for ticket in waiting} == {"queued"}
    started = [finish(engine, ticket, 8.6) for ticket in running]
    assert started[:24] == [[]] * 24
    assert started[24:] == [[waiting[0]], [waiting[1]], [waiting[2]], []]
    assert all(ticket.tokens_billed == 60 for ticket in running)


def test_more_slots_let_the_queue_in_at_the_change() -> None:
    """At the end of the brownout 24 more of those who wait get a slot, in order."""
    engine = storm()
    tickets = [arrive(engine, 19.5, f"c{i}") for i in range(40)]
    assert engine.advance(20.0).started == tickets[4:28]


def test_a_change_noticed_late_is_not_lost() -> None:
    """If something happens before the shell's timer, tickets let out by the change come with it, once."""
    engine = storm()
    tickets = [arrive(engine, 10.0, f"c{i}") for i in range(6)]
    assert arrive(engine, 20.0005, "c9").state == "running"
    assert finish(engine, tickets[0], 20.001) == tickets[4:]
    assert engine.advance(20.002).started == []


def test_speed_changes_at_the_boundary_and_not_when_it_is_noticed() -> None:
    """The piecewise rate turns at the phase's own time, however late the engine hears of it."""
    phases = [
        {"name": "fast", "for": "1s"},
        {"name": "slow", "for": "9s", "provider": {"answer": {"tokens_per_second": 20}}},
    ]
    for noticed in (1.0, 1.4):
        engine = engine_with(phases=phases)
        ticket = arrive(engine, 0.5)  # first token at 0.8, 16 tokens until 1.0, 20 a second from there
        engine.advance(noticed)
        assert engine.due(ticket, 16) == pytest.approx(1.0)
        assert engine.due(ticket, 36) == pytest.approx(2.0)
        assert ticket.slot_end() == pytest.approx(1.0 + 43 / 20)


def test_several_phases_passed_at_once_are_each_entered_at_their_time() -> None:
    """Nobody came for minutes: the answer under way was still slow for exactly as long as the slow phase."""
    phases = [
        {"name": "fast", "for": "1s"},
        {"name": "slow", "for": "1s", "provider": {"answer": {"tokens_per_second": 20}}},
        {"name": "again", "for": "9s"},
    ]
    engine = engine_with(phases=phases)
    ticket = arrive(engine, 0.5)
    engine.advance(5.0)
    assert ticket.slot_end() == pytest.approx(2.0 + (59 - 16 - 20) / 80)


def test_the_way_of_treating_the_abandoned_is_the_phase_s_in_which_they_leave() -> None:
    """A client that leaves in a `stop` phase frees its slot though it came in a `keep_working` one."""
    phases = [
        {"name": "keeps", "for": "1s"},
        {"name": "stops", "for": "9s", "provider": {"capacity": {"abandoned": "stop"}}},
    ]
    engine = engine_with(phases=phases, provider={"answer": {"first_token": "5s"}})
    first, second = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1")
    leave(engine, first, 0.5)
    leave(engine, second, 1.5)
    assert (first.state, second.state) == ("running", "ended")


def test_rules_of_a_phase_hold_in_that_phase() -> None:
    """A fault of the brownout meets the requests that arrive in it."""
    phases = [STORM[0], {**STORM[1], "rules": [{"fault": "overloaded"}]}, STORM[2]]
    engine = engine_with(phases=phases)
    assert [arrive(engine, now, f"c{now}").status for now in (7.9, 8.0, 19.9, 20.0)] == [200, 503, 503, 200]


def test_a_plan_can_be_swapped_while_requests_run() -> None:
    """Queue, running work, levels and numbering stay; settings and rules are the new plan's at once."""
    engine = engine_with(provider={"capacity": {"slots": 1}, "limits": {"rpm": 60}})
    first, second = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1")
    new = plan(
        provider={"capacity": {"slots": 2}, "limits": {"rpm": 60}, "answer": {"tokens_per_second": 40}},
        rules=[{"fault": "server_error", "match": {"attempt": 1}}],
    )
    engine.set_plan(new, 0.3)
    assert engine.advance(0.3).started == [second]
    engine.start(second, 0.3)
    assert first.slot_end() == pytest.approx(0.3 + 59 / 40)
    retry = arrive(engine, 0.4, "c0")
    assert (retry.attempt, retry.status) == (1, 500)
    assert finish(engine, first, 1.775) == []


def test_a_region_that_a_new_plan_lacks_goes_on_as_it_was() -> None:
    """Its requests are still served; a region that is new is there at once."""
    engine = engine_with(provider={"regions": {"us": {}, "eu": {}}})
    running = arrive(engine, 0.0, "c0", region="eu")
    engine.set_plan(plan(provider={"regions": {"us": {}, "asia": {}}}), 0.1)
    assert finish(engine, running, 1.0375) == []
    assert arrive(engine, 2.0, "c1", region="eu").status == 200
    assert arrive(engine, 2.0, "c2", region="asia").status == 200


def test_a_reset_begins_anew() -> None:
    """Numbering, limits, queue and phases start again, and tickets from before have no effect any more."""
    engine = engine_with(provider={"capacity": {"slots": 1}, "limits": {"rpm": 2}}, phases=STORM)
    first, second = arrive(engine, 9.0, "c0"), arrive(engine, 9.0, "c1")
    engine.reset()
    assert engine.next_change(-1.0) == 8.0
    again = arrive(engine, -1.0, "c0")
    assert (again.attempt, again.phase, again.state) == (0, 0, "running")
    assert finish(engine, first, 0.0) == []
    assert leave(engine, second, 0.0) == []
    assert engine.snapshot(0.0)["in_flight"] == 1
    assert engine.snapshot(0.0)["queue_depth"] == 0


def test_the_snapshot_tells_what_people_want_to_know() -> None:
    """Phase, busy slots, queue and what is left of the limits, in total and by region."""
    engine = engine_with(provider={"capacity": {"slots": 2}, "limits": {"rpm": 60}})
    for i in range(3):
        arrive(engine, 0.0, f"c{i}")
    seen = engine.snapshot(0.0)
    assert (seen["phase"], seen["phase_index"], seen["in_flight"], seen["queue_depth"]) == (None, 0, 2, 1)
    assert seen["regions"]["local"]["slots"] == 2
    assert seen["regions"]["local"]["limits"] == [
        {
            "key_hash": "k1",
            "model": "gpt-4.1",
            "remaining_requests": 57,
            "remaining_tokens": None,
            "most_requests": 60.0,
            "most_tokens": None,
            "growth_wait_s": None,
        }
    ]
