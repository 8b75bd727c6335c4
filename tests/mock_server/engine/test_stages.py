"""The order in which a request is decided on, and what each stage takes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.mock_server.engines import arrive, body, engine_with, finish, headers, leave, request
from windtunnel.mock_server.engine import Engine
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.script import End, Head, Script, Send

EMPTY = {"capacity": {"slots": 0, "queue": 0}}
REFUSAL = Script((Head(401), Send(b"{}", role="terminal"), End()))


def rule(fault: str, **parts: Any) -> dict[str, Any]:
    return {"fault": fault, **parts}


def test_a_problem_comes_before_everything_else() -> None:
    """A request that the API refuses meets no fault, takes no quota and needs no slot."""
    engine = engine_with(provider={"limits": {"rpm": 60}, **EMPTY}, rules=[rule("server_error")])
    ticket = arrive(engine, 0.0, problem=REFUSAL)
    assert (ticket.state, ticket.status, ticket.faults) == ("refused", 401, ())
    assert engine.snapshot(0.0)["regions"]["local"]["limits"] == []


def test_a_model_that_is_not_served_is_not_found() -> None:
    """With a list of models, any other name is a 404 before the faults."""
    engine = engine_with(provider={"models": ["gpt-4.1"]}, rules=[rule("server_error")])
    ticket = arrive(engine, 0.0, model="gpt-9")
    assert ticket.status == 404
    assert orjson.loads(body(ticket))["error"]["code"] == "model_not_found"
    assert arrive(engine, 0.0, "c1").status == 500


def test_edge_faults_come_before_limits_and_take_neither_quota_nor_slot() -> None:
    """A status error is sent though the limit is used up and no slot is free, and costs nothing."""
    engine = engine_with(provider={"limits": {"rpm": 60}, **EMPTY}, rules=[rule("server_error")])
    ticket = arrive(engine, 0.0)
    assert (ticket.state, ticket.status, ticket.faults) == ("refused", 500, ("server_error",))
    assert headers(ticket)["x-ratelimit-remaining-requests"] == "60"
    assert (ticket.prompt_tokens_billed, ticket.tokens_billed) == (0, 0)


def test_a_charged_edge_fault_takes_quota_slot_and_bill() -> None:
    """With `charge: true` the provider did the work: limits, queue, a slot for the healthy answer's time, a bill."""
    engine = engine_with(
        provider={"limits": {"rpm": 60}, "capacity": {"slots": 1, "queue": 5}},
        rules=[rule("server_error", charge=True)],
    )
    first, second = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1")
    assert (first.state, first.status, first.faults) == ("running", 500, ("server_error",))
    assert headers(first)["x-ratelimit-remaining-requests"] == "59"
    assert second.state == "queued"
    assert first.slot_end() == pytest.approx(0.3 + 59 / 80)
    assert finish(engine, first, first.slot_end()) == [second]
    assert (first.prompt_tokens_billed, first.tokens_billed) == (50, 60)


def test_limits_come_before_the_queue() -> None:
    """Out of quota and out of room is a 429, not a 503."""
    engine = engine_with(provider={"limits": {"rpm": 1}, **EMPTY})
    assert arrive(engine, 0.0, "c0").status == 503
    assert arrive(engine, 0.0, "c1").status == 429


def test_rpm_comes_before_tpm_and_growth_after_both() -> None:
    """The message names the first limit in the order RPM, TPM, growth."""
    growth = {"factor": 1.01, "baseline": "60s", "recent": "5s", "floor": 0.01}
    engine = engine_with(provider={"limits": {"rpm": 2, "tpm": 200, "growth": growth}})
    arrive(engine, 0.0, "c0")
    assert b"TPM" in body(arrive(engine, 0.0, "c1"))
    assert b"RPM" in body(arrive(engine, 0.0, "c2"))
    calm = engine_with(provider={"limits": {"rpm": 200, "tpm": 20_000, "growth": growth}})
    arrive(calm, 0.0, "c0")
    assert b"slow_down" in body(arrive(calm, 0.0, "c1"))


def test_nothing_is_sent_while_queued() -> None:
    """A queued request has no status and no script until it takes its slot."""
    engine = engine_with(provider={"capacity": {"slots": 1}})
    first, second = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1")
    assert (second.state, second.status, second.script) == ("queued", None, None)
    (granted,) = finish(engine, first, 2.0)
    assert granted is second
    assert engine.start(second, 2.0).status == 200
    assert (second.status, second.started_s) == (200, 2.0)


def test_starting_without_a_slot_is_a_mistake_that_is_named() -> None:
    """`start` of a queued ticket raises instead of serving more than there are slots."""
    engine = engine_with(provider={"capacity": {"slots": 0}})
    ticket = arrive(engine, 0.0)
    with pytest.raises(ValueError, match="queued, expected granted"):
        engine.start(ticket, 0.0)


def test_listing_models_needs_no_slot_and_no_quota() -> None:
    """The list of models is answered by a provider without a free slot, and bills nothing."""
    engine = engine_with(provider={"limits": {"rpm": 1}, **EMPTY})
    for i in range(3):
        ticket = arrive(engine, 0.0, f"c{i}", api="models", model="", stream=False, prompt_tokens=0)
        assert (ticket.state, ticket.status) == ("running", 200)
        assert ticket.slot_end() == 0.0
        assert finish(engine, ticket, 0.0) == []
        assert ticket.tokens_billed == 0
    assert engine.snapshot(0.0)["in_flight"] == 0


def test_answer_faults_change_the_script_and_not_the_slot() -> None:
    """A stall of 60 s is time on the wire: the slot is free, and the bill made, when the healthy answer is over."""
    engine = engine_with(rules=[rule("stall", **{"with": {"after_chunks": 3, "seconds": "60s"}})])
    ticket = arrive(engine, 0.0)
    assert (ticket.state, ticket.faults) == ("running", ("stall",))
    assert ticket.slot_end() == pytest.approx(0.3 + 59 / 80)
    finish(engine, ticket, 1.2)
    assert ticket.tokens_billed == 60


def test_a_stall_that_holds_its_slot_keeps_it_that_much_longer() -> None:
    """`holds_slot: true` adds the stall to the slot's time."""
    engine = engine_with(
        rules=[rule("stall", holds_slot=True, **{"with": {"after_chunks": 3, "seconds": "60s"}})]
    )
    assert arrive(engine, 0.0).slot_end() == pytest.approx(60.3 + 59 / 80)


def test_an_endless_stall_that_holds_its_slot_ends_with_its_client() -> None:
    """The slot is never free by itself, and is when the client leaves after the work is done."""
    engine = engine_with(
        provider={"capacity": {"slots": 1}},
        rules=[
            rule(
                "stall",
                holds_slot=True,
                match={"attempt": 0},
                first=1,
                per="rule",
                **{"with": {"after_chunks": 3, "seconds": "forever"}},
            )
        ],
    )
    first, second = arrive(engine, 0.0, "c0"), arrive(engine, 0.0, "c1")
    assert first.slot_end() == float("inf")
    assert leave(engine, first, 10.0) == [second]
    assert (first.state, first.tokens_billed) == ("ended", 60)


def test_an_endless_stall_left_before_the_work_is_done_holds_the_slot_until_then() -> None:
    """Under keep_working the healthy answer is still worked off."""
    stall = rule("stall", holds_slot=True, **{"with": {"after_chunks": 3, "seconds": "forever"}})
    engine = engine_with(rules=[stall])
    ticket = arrive(engine, 0.0)
    assert leave(engine, ticket, 0.5) == []
    assert ticket.slot_end() == pytest.approx(0.3 + 59 / 80)


def test_a_fault_asked_for_in_the_header_acts_on_that_request() -> None:
    """`x-windtunnel-fault` is a rule for one request."""
    engine = engine_with()
    assert arrive(engine, 0.0, "c0", fault_header="server_error").status == 500
    asked = arrive(engine, 0.0, "c1", fault_header="stall; after_chunks=3; seconds=5")
    assert asked.faults == ("stall",)
    assert arrive(engine, 0.0, "c2").faults == ()


@pytest.mark.parametrize("header", ["stal; seconds=5", "stall; seconds=soon", "stall; colour=red"])
def test_a_fault_header_that_makes_no_sense_is_a_400_that_says_so(header: str) -> None:
    """A typo in the header is an error answer with the header's name in it, never a healthy answer."""
    ticket = arrive(engine_with(), 0.0, fault_header=header)
    assert ticket.status == 400
    assert b"x-windtunnel-fault" in body(ticket)


def test_a_fault_header_for_another_form_of_answer_is_a_400() -> None:
    """A stream fault asked of an answer that is not streamed is refused, not ignored."""
    ticket = arrive(engine_with(), 0.0, stream=False, fault_header="error_event")
    assert ticket.status == 400


def test_what_a_fault_promises_is_a_promise() -> None:
    """A Retry-After from a fault is recorded, and coming back before it is noticed, without any penalty."""
    engine = engine_with(
        provider={"limits": {"rpm": 60, "early_return_penalty": "9s"}},
        rules=[rule("rate_limit_requests", first=1, **{"with": {"retry_after_ms": "1500ms"}})],
    )
    assert arrive(engine, 0.0, "c0").retry_after_promised_s == 1.5
    early = arrive(engine, 1.0, "c0")
    assert (early.came_back_early, early.state) == (True, "running")
    arrive(engine, 0.0, "c1")
    assert not arrive(engine, 1.5, "c1").came_back_early


@pytest.mark.parametrize(
    ("api", "stream"), [("chat", True), ("chat", False), ("responses", True), ("embeddings", False)]
)
def test_the_real_answers_play_through_the_engine(api: str, stream: bool) -> None:
    """With the API's own answers every kind of request is granted, has a truth, and ends when its work does."""
    engine = Engine(Plan())
    contents = {"messages": [{"role": "user", "content": "hi"}], "input": "hi", "model": "gpt-4.1"}
    endpoint = f"{api}.create"
    asked = request("c0", api=api, stream=stream, body=contents, endpoint=endpoint)
    ticket = engine.identify(asked, 0.0)
    engine.admit(ticket, 0.0)
    assert engine.start(ticket, 0.0).status == 200
    assert ticket.truth_digest
    expected = 0.3 + (ticket.tokens_planned - 1) / 80
    assert ticket.slot_end() == pytest.approx(expected)


def test_a_date_is_a_promise_too() -> None:
    """`retry-after` as an HTTP date promises the time until then, in whole seconds of the wall clock."""
    engine = engine_with(rules=[{"fault": "rate_limit_requests", "with": {"retry_after_date": "30s"}}])
    ticket = arrive(engine, 2.25)
    assert ticket.retry_after_promised_s == 30.75
    assert arrive(engine, 30.0).came_back_early
    past = engine_with(
        rules=[{"fault": "overloaded", "with": {"retry_after": "Thu, 01 Jan 1970 00:00:00 GMT"}}]
    )
    assert arrive(past, 0.0).retry_after_promised_s is None
