"""Effects, background work, and requests that end others: what an accepted request brings about."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.mock_server.engines import arrive, finish, fixed_answer, leave, plan
from windtunnel.mock_server.api.endpoint import Answer, LineAnswer, WorkHandle, World, run
from windtunnel.mock_server.engine import Engine, Ticket
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send

EARLY = Script((Head(200), FirstToken(), Send(b'{"status":"queued"}', 1, "terminal"), End()))
WHOLE = 0.3 + 59 / 80


class Objects:
    """An API whose requests leave their lives behind, and may cancel those of others (`body: {"cancel": call}`)."""

    def __init__(self, **parts: Any) -> None:
        self.lives: dict[str, WorkHandle] = {}
        self.effects: list[str] = []
        self.cancelled: list[bool] = []
        self.now = 0.0
        self.engine = Engine(plan(**parts), answer=self._answer)

    def _answer(self, request: Request, world: World) -> Answer:
        def effect(handle: WorkHandle) -> None:
            self.effects.append(world.call_key)
            self.lives[world.call_key] = handle
            if "cancel" in request.body:
                self.cancelled.append(self.lives[request.body["cancel"]].cancel(world.now))

        early = EARLY if request.body.get("background") and not request.stream else None
        background = bool(request.body.get("background"))
        return replace(fixed_answer(request, world), effect=effect, early=early, background=background)

    def arrive(self, now: float, call_id: str, **parts: Any) -> Ticket:
        return arrive(self.engine, now, call_id, **parts)


BACKGROUND = {"body": {"background": True}, "stream": False}
STOP = {"capacity": {"slots": 1, "abandoned": "stop"}}


def cancel(call_id: str) -> dict[str, Any]:
    return {"api": "stored", "model": "", "stream": False, "body": {"cancel": call_id}}


def test_an_effect_is_executed_once_when_its_request_is_accepted() -> None:
    """Granted or queued, at once and never again; refused, never."""
    objects = Objects(provider={"capacity": {"slots": 1, "queue": 1}})
    tickets = [objects.arrive(0.0, f"c{n}") for n in range(3)]
    assert [ticket.state for ticket in tickets] == ["running", "queued", "refused"]
    assert objects.effects == ["c0", "c1"]
    for ticket in finish(objects.engine, tickets[0], WHOLE):
        objects.engine.start(ticket, WHOLE)
    assert objects.effects == ["c0", "c1"]
    assert [ticket.executed for ticket in tickets] == [True, True, False]


def test_a_charged_edge_fault_lies_about_what_was_done() -> None:
    """With `charge: true` the client gets an error and the effect has happened; without it, it has not."""
    objects = Objects(rules=[{"fault": "server_error", "charge": True, "match": {"attempt": 0}}])
    failed = objects.arrive(0.0, "c0")
    assert (failed.status, failed.executed, objects.effects) == (500, True, ["c0"])
    plain = Objects(rules=[{"fault": "server_error"}])
    assert (plain.arrive(0.0, "c0").executed, plain.effects) == (False, [])


def test_a_life_goes_from_the_queue_to_its_end() -> None:
    """Stage, tokens and due times follow the work, and outlast the ticket."""
    objects = Objects(provider={"capacity": {"slots": 1}})
    first, second = objects.arrive(0.0, "c0"), objects.arrive(0.0, "c1")
    handle = objects.lives["c1"]
    assert (handle.stage(0.5), handle.tokens(0.5), handle.due(0)) == ("queued", 0, math.inf)
    (granted,) = finish(objects.engine, first, WHOLE)
    objects.engine.start(granted, WHOLE)
    assert handle.stage(WHOLE + 0.1) == "running"
    assert handle.due(0) == pytest.approx(WHOLE + 0.3)
    assert handle.tokens(WHOLE + 0.3 + 10 / 80) == 11
    assert handle.stage(2 * WHOLE) == "done"
    finish(objects.engine, second, 2 * WHOLE)
    assert (handle.stage(9.0), handle.tokens(9.0), handle.cancel(9.0)) == ("done", 60, False)
    assert handle.due(59) == pytest.approx(2 * WHOLE)
    assert handle.due(60) == math.inf


def test_background_work_answers_at_once_and_works_on() -> None:
    """The client has its answer before there is a slot; quota, slot and bill are those of any other request."""
    objects = Objects(provider={"capacity": {"slots": 1}, "limits": {"rpm": 60}})
    first, second = objects.arrive(0.0, "c0", **BACKGROUND), objects.arrive(0.0, "c1", **BACKGROUND)
    assert (first.state, second.state) == ("running", "queued")
    assert [ticket.status for ticket in (first, second)] == [200, 200]
    assert second.early is not None
    assert [type(step) for step in second.early.steps] == [Head, Send, End]
    head = second.early.steps[0]
    assert isinstance(head, Head)
    assert dict(head.headers)["x-ratelimit-remaining-requests"] == "58"
    (granted,) = finish(objects.engine, first, WHOLE)
    objects.engine.start(granted, WHOLE)
    finish(objects.engine, second, 2 * WHOLE)
    assert [ticket.tokens_billed for ticket in (first, second)] == [60, 60]
    assert [ticket.prompt_tokens_billed for ticket in (first, second)] == [50, 50]


def test_answer_faults_act_on_the_early_answer_and_not_on_the_work() -> None:
    """A stall of background work is a stall of the answer that the client waits for."""
    stall = {"fault": "stall", "with": {"after_chunks": 1, "seconds": "60s"}}
    objects = Objects(rules=[stall])
    ticket = objects.arrive(0.0, "c0", **BACKGROUND)
    assert ticket.faults == ("stall",)
    assert ticket.early is not None
    assert len(ticket.early.steps) > 3
    assert ticket.slot_end() == pytest.approx(WHOLE)


@pytest.mark.parametrize("stream", [True, False])
def test_background_work_is_not_abandoned(stream: bool) -> None:
    """Whatever the region does with abandoned requests, background work goes on, streamed or not."""
    objects = Objects(provider=STOP)
    ticket = objects.arrive(0.0, "c0", body={"background": True}, stream=stream)
    assert leave(objects.engine, ticket, 0.1) == []
    assert (ticket.state, ticket.abandoned) == ("running", False)
    assert objects.lives["c0"].stage(0.5) == "running"
    plain = objects.arrive(2.0, "c1")
    leave(objects.engine, plain, 2.1)
    assert (plain.state, plain.abandoned) == ("gone", True)
    assert objects.lives["c1"].stage(2.1) == "cancelled"


def test_a_cancel_frees_the_slot_and_lets_the_next_one_in() -> None:
    """Another request ends work before its time: billed so far, and who waits longest may start."""
    objects = Objects(provider={"capacity": {"slots": 1}})
    first, second = objects.arrive(0.0, "c0", **BACKGROUND), objects.arrive(0.0, "c1")
    objects.arrive(0.3 + 10 / 80, "c2", **cancel("c0"))
    assert objects.cancelled == [True]
    assert (first.state, first.tokens_billed) == ("ended", 11)
    happened = objects.engine.advance(0.5)
    assert (happened.cancelled, happened.started) == ([first], [second])
    assert second.state == "granted"
    assert (objects.lives["c0"].stage(1.0), objects.lives["c0"].tokens(1.0)) == ("cancelled", 11)
    assert (objects.lives["c0"].due(5) < 1.0, objects.lives["c0"].due(50)) == (True, math.inf)


def test_a_cancel_in_the_queue_gives_back_place_and_quota() -> None:
    """What never had a slot bills nothing and never starts."""
    objects = Objects(provider={"capacity": {"slots": 1}, "limits": {"tpm": 1000}})
    first = objects.arrive(0.0, "c0")
    queued = objects.arrive(0.0, "c1", **BACKGROUND)
    objects.arrive(0.0, "c2", **cancel("c1"))
    assert (queued.state, queued.tokens_billed, queued.prompt_tokens_billed) == ("gone", 0, 0)
    limits = objects.engine.snapshot(0.0)["regions"]["local"]["limits"]
    assert limits[0]["remaining_tokens"] == 1000 - 110
    assert finish(objects.engine, first, WHOLE) == []


def test_a_reset_forgets_every_object() -> None:
    """After a reset nothing that is done to an old object has an effect."""
    objects = Objects(provider={"capacity": {"slots": 1}})
    objects.arrive(0.0, "c0", **BACKGROUND)
    store = objects.engine.store
    objects.engine.reset()
    assert objects.engine.store is not store
    objects.lives["c0"].cancel(0.1)
    assert objects.engine.snapshot(0.1)["in_flight"] == 0
    assert objects.engine.advance(0.1).started == []


class Lines:
    """An API with one request, a batch, that asks for the answers to its lines."""

    def __init__(self, **parts: Any) -> None:
        self.scripts: list[Script] = []
        self.too_long: LineAnswer | None = None
        self.engine = Engine(plan(**parts), answer=self._answer)

    def _answer(self, request: Request, world: World) -> Answer:
        if request.api == "batches":
            assert world.line is not None
            url, body = (
                "/v1/chat/completions",
                {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Speak."}]},
            )
            for n in range(40):
                answer = run(world.line(request, url, body, f"line-{n}", 10_000))
                assert answer is not None
                self.scripts.append(answer.script)
            self.too_long = run(world.line(request, url, {**body, "n": 100}, "line", 10_000))
        return fixed_answer(request, world)


def test_lines_get_whole_answers_with_their_own_faults() -> None:
    """Edge faults and answer faults are drawn line by line, by the line's name, and take neither slot nor quota."""
    rules = [
        {"fault": "server_error", "rate": 0.3, "match": {"api": "chat"}},
        {"fault": "empty_body", "rate": 0.3, "match": {"api": "chat"}},
    ]
    provider = {"limits": {"rpm": 60}, "capacity": {"slots": 0, "queue": 0}}
    found = []
    for _ in range(2):
        objects = Lines(rules=rules, provider=provider)
        ticket = arrive(objects.engine, 0.0, "c0", api="batches", model="", stream=False)
        assert ticket.status == 200
        found.append([script.status for script in objects.scripts])
        empty = sum(
            not any(isinstance(step, Send) and step.data for step in one.steps) for one in objects.scripts
        )
        assert 0 < empty < 30
        limits = objects.engine.snapshot(0.0)["regions"]["local"]["limits"]
        assert [left["remaining_requests"] for left in limits] in ([], [60])
    assert found[0] == found[1]
    assert set(found[0]) == {200, 500}


def test_lines_meet_the_checks_of_any_request() -> None:
    """A line for a model that is not served is a 404 among the others."""
    objects = Lines(provider={"models": ["gpt-5"]})
    arrive(objects.engine, 0.0, "c0", api="batches", model="", stream=False)
    assert {script.status for script in objects.scripts} == {404}


def test_a_line_without_room_is_not_made() -> None:
    """What the answer of a line takes is known before it is made."""
    objects = Lines()
    arrive(objects.engine, 0.0, "c0", api="batches", model="", stream=False)
    assert {script.status for script in objects.scripts} == {200}
    assert objects.too_long is None
