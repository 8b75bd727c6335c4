"""Slots, queue and clients that leave, over the engine: whole days of random traffic, watched."""

from __future__ import annotations

import heapq
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mock_server.engines import arrive, engine_with, finish, leave, request
from windtunnel.mock_server.engine import Engine, Ticket


class Watch:
    """Plays traffic through an engine as the server does, and checks what must always hold."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.order: list[Ticket] = []
        self.tickets: list[Ticket] = []
        self.running = 0

    def until(self, end: float) -> None:
        """Let everything happen that is due before `end`."""
        while (at := self.engine.next_change(-1e9)) <= end:
            self.follow(at)

    def follow(self, now: float) -> None:
        """Start what may start, and check the count of those that run."""
        happened = self.engine.advance(now)
        self.running -= len(happened.ended)
        for ticket in happened.started:
            assert self.running < self.slots, "new work starts only in a free slot"
            self.start(ticket, now)
        self.check(now)

    def start(self, ticket: Ticket, now: float) -> None:
        self.running += 1
        self.order.append(ticket)
        self.engine.start(ticket, now)

    def arrive(self, now: float, **parts: Any) -> Ticket:
        self.until(now)
        ticket = self.engine.identify(request(f"c{len(self.tickets)}", **parts), now)
        before = self.running
        self.engine.admit(ticket, now)
        self.tickets.append(ticket)
        if ticket.state == "granted":
            assert before < self.slots
            self.start(ticket, now)
        self.check(now)
        return ticket

    def leave(self, ticket: Ticket, now: float) -> None:
        self.until(now)
        was = ticket.state
        self.engine.left(ticket, now)
        self.running -= was == "running" and ticket.state == "ended"
        self.follow(now)

    @property
    def slots(self) -> int:
        return int(self.engine.snapshot(-1e9)["regions"]["local"]["slots"])

    def check(self, now: float) -> None:
        """Work conservation, and the engine's own count."""
        local = self.engine.snapshot(-1e9)["regions"]["local"]
        assert local["in_flight"] == self.running
        assert not (local["queue_depth"] and self.running < local["slots"]), "a slot idles while one waits"
        for ticket in self.tickets:
            assert 0 <= ticket.tokens_billed <= ticket.tokens_planned
            assert ticket.prompt_tokens_billed in (0, ticket.prompt_tokens)


PHASES = [
    {"name": "many", "for": "5s"},
    {"name": "few", "for": "5s", "provider": {"capacity": {"slots": 1}}},
    {
        "name": "fast",
        "for": "5s",
        "provider": {"capacity": {"slots": 3}, "answer": {"tokens_per_second": 160}},
    },
]

traffic = st.lists(st.tuples(st.floats(0, 1.5), st.booleans(), st.floats(0, 4)), min_size=1, max_size=40)


@pytest.mark.parametrize("abandoned", ["keep_working", "stop"])
@settings(deadline=None)
@given(events=traffic, slots=st.integers(0, 4), queue=st.integers(0, 6), slowdown=st.sampled_from([0.0, 1.0]))
def test_slots_queue_and_bills_hold_under_any_traffic(
    abandoned: str, events: list[tuple[float, bool, float]], slots: int, queue: int, slowdown: float
) -> None:
    """Over phases that change slots and speed, with clients that leave at any time: no more new work than slots, no
    idle slot while one waits, service in order of arrival, and never more billed than planned."""
    capacity = {"slots": slots, "queue": queue, "abandoned": abandoned}
    engine = engine_with(
        provider={"capacity": capacity, "answer": {"slowdown": slowdown}, "limits": {"rpm": 60}},
        phases=PHASES,
    )
    watch, now = Watch(engine), 0.0
    leaving: list[tuple[float, int]] = []
    for pause, leaves, patience in events:
        now += pause
        while leaving and leaving[0][0] <= now:
            at, index = heapq.heappop(leaving)
            watch.leave(watch.tickets[index], at)
        ticket = watch.arrive(now)
        if leaves and ticket.state != "refused":
            heapq.heappush(leaving, (now + patience, len(watch.tickets) - 1))
    while leaving:
        at, index = heapq.heappop(leaving)
        watch.leave(watch.tickets[index], at)
    watch.until(max(now, 15.0) + 600.0)
    assert watch.order == [ticket for ticket in watch.tickets if ticket in watch.order], "first in, first out"
    for ticket in watch.tickets:
        assert ticket.state in {"refused", "ended", "gone"} or watch.slots == 0
        if ticket.state == "refused":
            assert (ticket.prompt_tokens_billed, ticket.tokens_billed) == (0, 0)
        elif abandoned == "keep_working" or not ticket.abandoned:
            assert ticket.state != "ended" or ticket.tokens_billed == ticket.tokens_planned


def test_an_abandoned_request_keeps_its_place_and_takes_its_slot() -> None:
    """keep_working: left while queued, it is served in full later and billed, before those who came after it."""
    engine = engine_with(provider={"capacity": {"slots": 1}})
    first, second, third = (arrive(engine, 0.0, f"c{i}") for i in range(3))
    assert leave(engine, second, 0.5) == []
    assert (second.state, second.abandoned, second.abandoned_at_s) == ("queued", True, 0.5)
    assert finish(engine, first, 1.0) == [second]
    engine.start(second, 1.0)
    assert finish(engine, second, 2.0375) == [third]
    assert (second.prompt_tokens_billed, second.tokens_billed) == (50, 60)


def test_an_answer_abandoned_in_the_middle_is_worked_off_and_billed() -> None:
    """keep_working: the slot stays taken for the full service."""
    engine = engine_with(provider={"capacity": {"slots": 1}})
    first, second = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1")
    assert leave(engine, first, 0.5) == []
    assert first.slot_end() == pytest.approx(0.3 + 59 / 80)
    assert finish(engine, first, 1.0375) == [second]
    assert first.tokens_billed == 60


def test_stop_frees_the_place_in_the_queue_and_bills_nothing() -> None:
    """stop: left while queued, it is gone: no slot, no bill, and its tokens are given back."""
    engine = engine_with(
        provider={"capacity": {"slots": 1, "queue": 1, "abandoned": "stop"}, "limits": {"tpm": 1000}}
    )
    first, second = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1")
    assert arrive(engine, 0.0, "c2").status == 503
    assert leave(engine, second, 0.1) == []
    assert (second.state, second.prompt_tokens_billed, second.tokens_billed) == ("gone", 0, 0)
    third = arrive(engine, 0.1, "c3")
    assert third.state == "queued"
    assert finish(engine, first, 1.0) == [third]
    limits = engine.snapshot(1.0)["regions"]["local"]["limits"][0]
    assert limits["remaining_tokens"] == 1000 - 110 - 110 + int(1.0 * 1000 / 60)


def test_stop_frees_the_slot_and_bills_what_was_generated() -> None:
    """stop: 0.3 s to the first token and 0.5 s at 80 a second are 41 tokens; the next one starts at once."""
    engine = engine_with(provider={"capacity": {"slots": 1, "abandoned": "stop"}})
    first, second = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1")
    assert leave(engine, first, 0.8) == [second]
    assert (first.state, first.prompt_tokens_billed, first.tokens_billed) == ("ended", 50, 41)
    assert finish(engine, first, 1.0375) == []


@pytest.mark.parametrize(("at", "tokens"), [(0.0, 0), (0.29, 0), (0.3, 1), (0.3126, 2), (5.0, 60)])
def test_output_tokens_are_billed_as_they_are_generated(at: float, tokens: int) -> None:
    """Nothing before the first token, one with it, then one every 12.5 ms, and never more than planned."""
    engine = engine_with(provider={"capacity": {"abandoned": "stop"}})
    ticket = arrive(engine, 0.0)
    leave(engine, ticket, at)
    assert ticket.tokens_billed == tokens


def test_a_running_answer_can_be_billed_before_it_ends() -> None:
    """`settle` brings the bill up to date where records are cut, and does not end anything."""
    engine = engine_with()
    ticket = arrive(engine, 0.0)
    engine.settle(ticket, 0.8)
    assert (ticket.state, ticket.tokens_billed) == ("running", 41)


def test_a_client_that_leaves_after_the_answer_is_complete_abandons_nothing() -> None:
    """A ticket whose answer is done is not abandoned, however soon the connection goes."""
    engine = engine_with(provider={"capacity": {"abandoned": "stop"}})
    ticket = arrive(engine, 0.0)
    ticket.done = True
    assert leave(engine, ticket, 1.03) == []
    assert not ticket.abandoned
    finish(engine, ticket, 1.0375)
    assert ticket.tokens_billed == 60


def test_a_client_that_leaves_on_the_way_in() -> None:
    """Before admission: with stop the request never arrives, with keep_working it does and is worked off."""
    for abandoned, state in (("stop", "gone"), ("keep_working", "granted")):
        engine = engine_with(provider={"capacity": {"abandoned": abandoned}})
        ticket = engine.identify(request(), 0.0)
        leave(engine, ticket, 0.01)
        engine.admit(ticket, 0.05)
        assert (ticket.abandoned, ticket.state) == (True, state)


def test_finishing_twice_frees_one_slot() -> None:
    """A second `finished` for the same ticket does nothing."""
    engine = engine_with(provider={"capacity": {"slots": 1}})
    first, second, third = (arrive(engine, 0.0, f"c{i}") for i in range(3))
    assert finish(engine, first, 1.0) == [second]
    assert finish(engine, first, 1.0) == []
    assert third.state == "queued"


def test_depth_and_busy_slots_are_recorded_at_admission() -> None:
    """The third request at a single slot saw one busy slot and one in the queue."""
    engine = engine_with(provider={"capacity": {"slots": 1}})
    tickets = [arrive(engine, 0.0, f"c{i}") for i in range(3)]
    assert [(ticket.in_flight, ticket.queue_depth) for ticket in tickets] == [(0, 0), (1, 0), (1, 1)]


def test_regions_have_slots_of_their_own() -> None:
    """A region that is full leaves the other one free, and each has its own settings."""
    regions = {"us": {"capacity": {"slots": 1, "queue": 0}}, "eu": {"answer": {"tokens_per_second": 40}}}
    engine = engine_with(provider={"regions": regions})
    assert arrive(engine, 0.0, "c0", region="us").state == "running"
    assert arrive(engine, 0.0, "c1", region="us").status == 503
    european = arrive(engine, 0.0, "c2", region="eu")
    assert european.slot_end() == pytest.approx(0.3 + 59 / 40)


def test_slowdown_is_by_the_share_of_busy_slots() -> None:
    """With `slowdown: 1` and all of two slots busy the rate is half of 80: base ÷ (1 + 1 × 2 ÷ 2)."""
    engine = engine_with(provider={"capacity": {"slots": 2}, "answer": {"slowdown": 1.0}})
    first = arrive(engine, 0.0, "c0")
    assert engine.advance(0.0).new_speed
    assert engine.due(first, 40) == pytest.approx(0.3 + 40 / (80 / 1.5))
    second = arrive(engine, 0.3, "c1")
    assert engine.advance(0.3).new_speed
    assert engine.due(first, 40) == pytest.approx(0.3 + 40 / 40)
    assert engine.due(second, 40) == pytest.approx(0.6 + 40 / 40)
    finish(engine, first, 0.8)  # 20 tokens at 40 a second, the other 20 at 53.3 a second
    assert engine.due(first, 40) == pytest.approx(0.8 + 20 / (80 / 1.5))


def test_prompt_tokens_take_time_to_read() -> None:
    """The first token waits for prompt ÷ prefill speed on top of its draw."""
    engine = engine_with(provider={"answer": {"prefill_tokens_per_second": 1000}})
    assert engine.due(arrive(engine, 0.0, prompt_tokens=500), 0) == pytest.approx(0.8)
