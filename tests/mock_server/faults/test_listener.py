"""Faults of a region's port: what may narrow them, and what may not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from windtunnel.mock_server.errors import FaultHeaderError
from windtunnel.mock_server.faults import FAULTS, FaultContext, parse_fault_header
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.script import End, Head, Script
from windtunnel.mock_server.server.options import needs_shared_state

UNLIMITED = {"capacity": {"slots": 1_000_000}}


@pytest.mark.parametrize("name", ["refuse", "blackhole"])
@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"id": "dark"},
        {"with": {"established": "reset"}},
        {"match": {"region": "local"}},
        {"burst": {"every": "10s", "for": "2s"}},
    ],
)
def test_a_region_and_times_narrow_them(name: str, rule: dict[str, Any]) -> None:
    """A rule may say which region, when, and what becomes of connections that exist."""
    plan = Plan.model_validate({"rules": [{"fault": name, **rule}]})
    [use] = plan.rules[0].uses
    assert use is not None
    assert use.kind.stage == "listener"


@pytest.mark.parametrize("name", ["refuse", "blackhole"])
@pytest.mark.parametrize(
    ("rule", "where"),
    [
        ({"rate": 0.5}, "rules.0.rate"),
        ({"every": 3}, "rules.0.every"),
        ({"first": 1}, "rules.0.first"),
        ({"ramp": {"from": 0, "to": 1, "over": "5s"}}, "rules.0.ramp"),
        ({"per": "rule"}, "rules.0.per"),
        ({"charge": True}, "rules.0.charge"),
        ({"holds_slot": True}, "rules.0.holds_slot"),
        ({"match": {"api": "chat"}}, "rules.0.match.api"),
        ({"match": {"model": "gpt-4*"}}, "rules.0.match.model"),
        ({"match": {"stream": False}}, "rules.0.match.stream"),
        ({"match": {"attempt": 0}}, "rules.0.match.attempt"),
        ({"match": {"key": "abcd"}}, "rules.0.match.key"),
    ],
)
def test_nothing_of_a_request_does(name: str, rule: dict[str, Any], where: str) -> None:
    """A trigger or match that needs a request is refused where it stands, with the reason."""
    with pytest.raises(ValidationError, match="before there is a request") as caught:
        Plan.model_validate({"rules": [{"fault": name, **rule}]})
    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [where]


def test_they_are_in_no_sequence() -> None:
    """A port is not closed for one attempt after the other."""
    with pytest.raises(ValidationError, match="sequence on refuse"):
        Plan.model_validate({"rules": [{"sequence": ["refuse", "ok"]}]})


@pytest.mark.parametrize("header", ["refuse", "blackhole; established=reset"])
def test_no_request_can_ask_for_them(header: str) -> None:
    """A request that asks has a connection already: the error says so."""
    with pytest.raises(FaultHeaderError, match="comes before any request"):
        parse_fault_header(header)


@pytest.mark.parametrize("name", ["refuse", "blackhole"])
def test_answers_stay_as_they_are(name: str) -> None:
    """They act on no answer of any API."""
    kind = FAULTS[name]
    healthy = Script((Head(200), End()))
    assert kind.apply(healthy, kind.params(), FaultContext(api="chat")) == healthy
    assert not any(kind.acts_on(api, stream) for api in ("chat", "models") for stream in (True, False))


def test_workers_cannot_close_a_port_together() -> None:
    """Several workers are refused with a reason of its own, also where the rule is one of a phase."""
    phase = {"name": "dark", "for": "5s", "rules": [{"fault": "blackhole"}]}
    reason = needs_shared_state(Plan.model_validate({"provider": UNLIMITED, "phases": [phase]}))
    assert reason is not None
    assert "blackhole closes a port" in reason
