"""Plans of one key: an engine of their own, and nobody else notices."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mock_server.engines import request
from windtunnel.mock_server.control.named_plans import NamedPlans, PlansError
from windtunnel.mock_server.engine import Engine
from windtunnel.mock_server.plan.plan import Plan

FAILING = {"rules": [{"fault": "overloaded"}]}
THEN_WELL = {"phases": [{"name": "bad", "for": "10s", **FAILING}, {"name": "good", "for": "10s"}]}


def named(name: str, **parts: Any) -> Plan:
    return Plan.model_validate({"name": name, **parts})


def status(plans: NamedPlans, base: Engine, now: float, **parts: Any) -> int | None:
    """The status of one request, routed as the server routes it."""
    engine, asked = plans.route(request(endpoint="chat.create", stream=False, body=CHAT, **parts), base)
    ticket = engine.identify(asked, now)
    engine.admit(ticket, now)
    if ticket.state == "granted":
        engine.start(ticket, now)
    return ticket.status


CHAT = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "hi"}]}


def test_a_scoped_plan_meets_its_key_alone() -> None:
    """Its rules, slots and limits are for requests with that key; everybody else has the server's."""
    plans, base = NamedPlans(), Engine(Plan())
    plans.put(named("mine", provider={"capacity": {"slots": 0, "queue": 0}}), "k1", 0.0, 0.0)
    plans.put(named("theirs", **FAILING), "k2", 0.0, 0.0)
    found = [status(plans, base, 0.0, key_hash=key) for key in ("k1", "k2", "k3")]
    assert found == [503, 503, 200]
    assert base.snapshot(0.0)["in_flight"] == 1


def test_its_phases_count_from_when_it_was_put() -> None:
    """A plan that is put at 100 s begins with its first phase then, and a reset begins it with the server's t0."""
    plans, base = NamedPlans(), Engine(Plan())
    plans.put(named("mine", **THEN_WELL), "k1", 100.0, 0.0)
    assert status(plans, base, 105.0) == 503
    (engine,) = plans.engines()
    assert engine.next_change(105.0) == 110.0
    assert engine.snapshot(105.0)["phases"] == [
        {"name": "bad", "start_s": 100.0},
        {"name": "good", "start_s": 110.0},
    ]
    assert status(plans, base, 111.0) == 200
    plans.reset(0.0)
    assert status(plans, base, 1.0) == 503
    assert status(plans, base, 11.0) == 200


def test_bursts_and_ramps_count_from_there_too() -> None:
    """A burst's first window opens when the plan is put."""
    burst = {"rules": [{"fault": "overloaded", "burst": {"every": "100s", "for": "10s"}}]}
    plans, base = NamedPlans(), Engine(Plan())
    plans.put(named("mine", **burst), "k1", 50.0, 0.0)
    assert [status(plans, base, at) for at in (55.0, 65.0, 155.0)] == [503, 200, 503]


def test_a_region_that_it_does_not_have_is_its_first_one() -> None:
    """A plan without regions serves requests to any of the server's."""
    plans = NamedPlans()
    plans.put(named("mine"), "k1", 0.0, 0.0)
    assert plans.route(request(region="us-east"), Engine(Plan()))[1].region == "local"


def test_putting_it_again_begins_it_anew() -> None:
    """The engine that was in its place is given back, and nothing that happens in it counts."""
    plans, base = NamedPlans(), Engine(Plan())
    assert plans.put(named("mine", provider={"capacity": {"slots": 1, "queue": 0}}), "k1", 0.0, 0.0) is None
    assert [status(plans, base, 0.0) for _ in range(2)] == [200, 503]
    (before,) = plans.engines()
    assert plans.put(named("mine", provider={"capacity": {"slots": 1, "queue": 0}}), "k1", 0.0, 0.0) is before
    assert status(plans, base, 0.0) == 200
    (engine,) = plans.engines()
    assert plans.delete("mine") is engine
    assert (plans.scoped, list(plans)) == ({}, [])


def test_a_plan_may_change_hands() -> None:
    """A name that is put for another key lets go of the first one."""
    plans, base = NamedPlans(), Engine(Plan())
    plans.put(named("mine", **FAILING), "k1", 0.0, 0.0)
    plans.put(named("mine", **FAILING), "k2", 0.0, 0.0)
    assert [status(plans, base, 0.0, key_hash=key) for key in ("k1", "k2")] == [200, 503]


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (named("second"), "has the plan 'mine' already"),
        (named("ports", rules=[{"fault": "refuse"}]), "refuse closes a port"),
        (named("ports", phases=[{"name": "a", "for": "1s", "rules": [{"fault": "blackhole"}]}]), "blackhole"),
    ],
)
def test_what_cannot_be_put_leaves_all_as_it_was(plan: Plan, said: str) -> None:
    """One key has one plan, and a port is everybody's."""
    plans = NamedPlans()
    plans.put(named("mine"), "k1", 0.0, 0.0)
    with pytest.raises(PlansError, match=said):
        plans.put(plan, "k1", 0.0, 0.0)
    assert [one.plan.name for one in plans] == ["mine"]
