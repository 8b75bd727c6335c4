"""Where each fault can act: a plan that asks for more is refused when it is loaded."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.plan.rule import Rule
from windtunnel.mock_server.request import APIS, STREAMING_APIS

REQUIRED: dict[str, dict[str, Any]] = {"status": {"status": 418}}
REQUESTED = [name for name, kind in FAULTS.items() if kind.stage != "listener"]


def loads(rule: dict[str, Any]) -> bool:
    """Whether a rule is taken."""
    try:
        Rule.model_validate(rule)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("name", REQUESTED)
def test_a_rule_is_taken_where_its_fault_can_act_and_nowhere_else(name: str) -> None:
    """For every API, streamed and not: a rule that is taken can act, and one that could act is taken."""
    fault = {"fault": name, "with": REQUIRED.get(name, {})}
    kind = FAULTS[name].settled(FAULTS[name].params.model_validate(fault["with"]))
    for api in APIS:
        able = {stream: kind.acts_on(api, stream) for stream in (False, True)}
        assert loads(fault | {"match": {"api": api}}) is any(able.values())
        for stream, acts in able.items():
            possible = acts and (not stream or api in STREAMING_APIS)
            assert loads(fault | {"match": {"api": api, "stream": stream}}) is possible
    for stream in (False, True):
        acts = any(kind.acts_on(api, stream) for api in APIS)
        assert loads(fault | {"match": {"stream": stream}}) is acts


@pytest.mark.parametrize(
    ("sequence", "match", "taken"),
    [
        (["overloaded", "cut"], {}, True),
        (["overloaded", "cut"], {"stream": True}, True),
        (["overloaded", "cut"], {"stream": False}, False),
        (["stall", "short_body", "ok"], {"stream": True}, False),
        (["response_failed", "overloaded"], {"api": "chat"}, False),
        (["response_failed", "overloaded"], {"api": "stored"}, True),
        ([{"fault": "reset", "with": {"at": "after_chunks 2"}}, "ok"], {"stream": False}, False),
        ([{"fault": "reset", "with": {"at": "after_bytes 2"}}, "ok"], {"stream": False}, True),
    ],
)
def test_every_entry_of_a_sequence_has_to_be_able_to_act(
    sequence: list[Any], match: dict[str, Any], taken: bool
) -> None:
    """One entry that can never act makes the whole rule wrong: it would be an `ok` that nobody wrote."""
    assert loads({"sequence": sequence, "match": match}) is taken


def test_what_is_wrong_names_the_fault_and_where_it_can_act() -> None:
    """The error says which fault it is, what was asked for, and what would do."""
    with pytest.raises(ValidationError) as raised:
        Rule.model_validate({"sequence": ["overloaded", "cut"], "match": {"stream": False}})
    [error] = raised.value.errors()
    assert "cut with the match {stream: false}, on which it can never act" in error["msg"]
    assert "streamed answers only" in error["msg"]
