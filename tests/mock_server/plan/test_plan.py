"""A plan is checked when it is loaded: everything wrong is reported, at its place, with what was expected."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from windtunnel.mock_server.plan.plan import Plan

FULL: dict[str, Any] = {
    "name": "retry_storm",
    "seed": 7,
    "provider": {
        "regions": {
            "us-east": {"rtt": {"mean": "89ms", "p99": "210ms"}},
            "eu": {"rtt": "20ms", "capacity": {"slots": 3}, "answer": {"tokens": 5}},
        },
        "capacity": {"slots": 28, "queue": 400, "abandoned": "keep_working"},
        "answer": {"first_token": {"median": "250ms", "p99": "900ms"}, "tokens": {"median": 60, "p99": 160}},
        "limits": {"rpm": 6000, "tpm": 2000000, "growth": {"factor": 2, "baseline": "60s"}},
        "models": ["gpt-4.1", "gpt-4.1-mini"],
    },
    "rules": [{"fault": "hang", "rate": 0.01, "burst": {"every": "10s", "for": "2s"}}],
    "phases": [
        {"name": "healthy", "for": "8s"},
        {
            "name": "brownout",
            "for": "12s",
            "provider": {"capacity": {"slots": 4}, "answer": {"first_token": {"mean": "2s", "p99": "4s"}}},
            "rules": [
                {"fault": "stall", "with": {"after_chunks": 3, "seconds": "5s"}, "match": {"stream": True}},
                {"fault": "overloaded", "sequence": ["overloaded", "ok", {"fault": "hang"}], "per": "rule"},
                {"fault": "server_error", "ramp": {"from": 0, "to": 0.8}, "match": {"model": "gpt-4*"}},
            ],
        },
    ],
}


def errors_of(data: dict[str, Any]) -> list[tuple[tuple[int | str, ...], str]]:
    """The places and messages of what is wrong with a plan."""
    with pytest.raises(ValidationError) as caught:
        Plan.model_validate(data)
    return [(error["loc"], error["msg"]) for error in caught.value.errors()]


def test_a_plan_survives_json() -> None:
    """A dumped plan validates again and is the same plan, with every unit written out."""
    plan = Plan.model_validate(FULL)
    text = plan.model_dump_json(by_alias=True)
    assert Plan.model_validate_json(text) == plan
    assert json.loads(text)["phases"][1]["for"] == "12s"


def test_phases_lay_their_overrides_over_the_provider() -> None:
    """A phase changes what it names, mapping by mapping, and nothing else."""
    plan = Plan.model_validate(FULL)
    assert plan.settings_at(None).capacity.slots == 28
    assert plan.settings_at(0) is plan.provider
    browned = plan.settings_at(1)
    assert (browned.capacity.slots, browned.capacity.queue) == (4, 400)
    assert browned.answer.first_token.mean == 2.0
    assert browned.answer.first_token.median is None
    assert browned.answer.tokens == plan.provider.answer.tokens


def test_regions_lay_their_overrides_over_the_provider_of_the_phase() -> None:
    """A region's own figures win over the phase's; what it does not name follows the phase."""
    plan = Plan.model_validate(FULL)
    assert plan.settings_at(1).region("us-east").capacity.slots == 4
    eu = plan.settings_at(1).region("eu")
    assert (eu.capacity.slots, eu.capacity.queue) == (3, 400)
    assert eu.answer.tokens.draw(0.9) == 5
    assert eu.rtt is not None
    assert eu.rtt.draw(0.2) == 0.02


def test_before_the_first_phase_and_after_the_last_their_conditions_hold() -> None:
    """The phase at a time is the first one before t0, and the last one after the end."""
    plan = Plan.model_validate(FULL)
    assert [plan.phase_at(now) for now in (-5.0, 0.0, 7.999, 8.0, 19.0, 500.0)] == [0, 0, 0, 1, 1, 1]
    assert (plan.next_start(-1.0), plan.next_start(8.0)) == (8.0, None)
    assert plan.length == 20.0


def test_a_plan_without_phases_is_one_endless_phase() -> None:
    """Nothing has to be said: the empty plan is a healthy provider without an end."""
    plan = Plan()
    assert (plan.phase_at(1e9), plan.next_start(0.0), plan.rules_at(0)) == (0, None, ())
    assert plan.settings_at(0) is plan.provider
    assert plan.provider.default_region == "local"


def test_rules_have_stable_names() -> None:
    """A rule without an id is named after its phase and place, so draws do not depend on other phases."""
    plan = Plan.model_validate(FULL)
    assert [name for name, _ in plan.rules_at(1)] == ["rules[0]", "brownout[0]", "brownout[1]", "brownout[2]"]
    assert [name for name, _ in plan.rules_at(0)] == ["rules[0]"]


def phase(**changes: Any) -> dict[str, Any]:
    """A plan of one phase."""
    return {"phases": [{"name": "p", "for": "8s", **changes}]}


def ruled(**rule: Any) -> dict[str, Any]:
    """A plan of one phase with one rule."""
    return phase(rules=[rule])


RULE = ("phases", 0, "rules", 0)


@pytest.mark.parametrize(
    ("data", "loc", "message"),
    [
        ({"sed": 1}, ("sed",), "'seed' perhaps"),
        (phase(**{"for": 8}), ("phases", 0, "for"), "8 without a unit"),
        (phase(**{"for": "0s"}), ("phases", 0, "for"), "a duration above zero"),
        ({"phases": [{"name": "p"}]}, ("phases", 0, "for"), "Field required"),
        (
            phase(provider={"capacity": {"slot": 4}}),
            ("phases", 0, "provider", "capacity", "slot"),
            "'slots' perhaps",
        ),
        (
            phase(provider={"regions": {"x": {}}}),
            ("phases", 0, "provider", "regions", "x"),
            "unknown region 'x'",
        ),
        (
            {"provider": {"regions": {"eu": {"limits": {"rpm": 0}}}}},
            ("provider", "regions", "eu", "limits", "rpm"),
            "greater than or equal to 1",
        ),
        (
            {"provider": {"answer": {"first_token": {"median": "1s", "p99": "1ms"}}}},
            ("provider", "answer", "first_token"),
            "a p99 below the median",
        ),
        (
            {"provider": {"answer": {"tokens": {"median": 2, "mean": 2}}}},
            ("provider", "answer", "tokens"),
            "both of median and mean",
        ),
        (
            {"provider": {"answer": {"first_token": {"mean": "1s", "p99": "20s"}}}},
            ("provider", "answer", "first_token"),
            "at most 14.97",
        ),
        (
            {"provider": {"answer": {"first_token": 1}}},
            ("provider", "answer", "first_token", "median"),
            "unit",
        ),
        (ruled(fault="stal"), (*RULE, "fault"), "'stall' perhaps"),
        (ruled(fault="stall", **{"with": {"secs": "1s"}}), (*RULE, "with", "secs"), "unknown key 'secs'"),
        (ruled(fault="stall", **{"with": {"seconds": 5}}), (*RULE, "with", "seconds"), "5 without a unit"),
        (ruled(fault="status"), (*RULE, "with", "status"), "Field required"),
        (ruled(fault="close", **{"with": {"at": "later"}}), (*RULE, "with", "at"), "after_bytes N"),
        (ruled(sequence=["ok", "hung"]), (*RULE, "sequence", 1), "unknown fault 'hung'"),
        (ruled(sequence=["ok", "ok"]), (*RULE, "sequence"), "at least one fault"),
        (ruled(fault="hang", sequence=["server_error"]), (*RULE, "fault"), "never names"),
        (ruled(), (*RULE, "fault"), "a fault, or a sequence"),
        (ruled(fault="hang", rate=0.5, first=2), (*RULE, "first"), "at most one of"),
        (ruled(fault="hang", rate=1.5), (*RULE, "rate"), "less than or equal to 1"),
        (ruled(fault="hang", every=0), (*RULE, "every"), "greater than or equal to 1"),
        (ruled(fault="hang", burst={"every": "1s", "for": "2s"}), (*RULE, "burst", "for"), "at most `every`"),
        (ruled(fault="stall", charge=True), (*RULE, "charge"), "charged anyway"),
        (ruled(fault="hang", holds_slot=True), (*RULE, "holds_slot"), "never takes a slot"),
        ({"rules": [{"fault": "hang", "ramp": {"from": 0, "to": 1}}]}, ("rules", 0, "ramp"), "`over`"),
        (
            {"rules": [{"fault": "hang", "id": "a"}, {"fault": "reset", "id": "a"}]},
            ("rules", 1, "id"),
            "a second rule 'a'",
        ),
        (
            {"phases": [{"name": "p", "for": "1s"}, {"name": "p", "for": "1s"}]},
            ("phases", 1, "name"),
            "a second phase 'p'",
        ),
    ],
)
def test_what_is_wrong_is_reported_at_its_place(
    data: dict[str, Any], loc: tuple[str | int, ...], message: str
) -> None:
    """Each mistake gives one error, located at its key, that says what is wrong or what was expected."""
    [(where, said)] = errors_of(data)
    assert where == loc
    assert message in said


@pytest.mark.parametrize(
    ("rule", "loc"),
    [
        ({"fault": "hang", "match": {"region": "mars"}}, ("match", "region")),
        ({"fault": "hang", "match": {"model": "claude*"}}, ("match", "model")),
        ({"fault": "hang", "match": {"api": "videos"}}, ("match", "api")),
        ({"fault": "hang", "match": {"api": "embeddings", "stream": True}}, ("match", "stream")),
        ({"fault": "hang", "match": {"attempt": -1}}, ("match", "attempt")),
        ({"fault": "cut", "match": {"stream": False}}, ()),
        ({"fault": "error_event", "match": {"api": "models"}}, ()),
        ({"fault": "rate_limit_tokens", "match": {"api": "models"}}, ()),
        ({"fault": "reset", "with": {"at": "after_chunks 2"}, "match": {"stream": False}}, ()),
        ({"fault": "stall_with_heartbeats", "match": {"api": "embeddings"}}, ()),
        ({"fault": "short_body", "match": {"stream": True}}, ()),
        ({"fault": "response_failed", "match": {"api": "chat"}}, ()),
        ({"sequence": ["overloaded", "cut"], "match": {"stream": False}}, ()),
    ],
)
def test_a_match_that_can_never_hold_is_refused(rule: dict[str, Any], loc: tuple[str, ...]) -> None:
    """A rule that could never act is an error at load, never a rule that silently does nothing."""
    [(where, _)] = errors_of({"provider": {"models": ["gpt-4.1"]}, "rules": [rule]})
    assert where == ("rules", 0, *loc)


def test_a_model_that_only_a_later_phase_serves_may_be_matched() -> None:
    """Whether a model is served is judged by the phases in which the rule holds."""
    served = {"models": ["gpt-5"]}
    plan = phase(provider=served, rules=[{"fault": "hang", "match": {"model": "gpt-5"}}])
    Plan.model_validate({"provider": {"models": ["gpt-4"]}, **plan})
    plan["phases"][0]["provider"] = {}
    assert errors_of({"provider": {"models": ["gpt-4"]}, **plan})[0][0] == (*RULE, "match", "model")


def test_the_exported_schema_accepts_what_the_models_accept() -> None:
    """The JSON Schema takes a full plan, as written and as dumped."""
    schema = Plan.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(FULL, schema)
    jsonschema.validate(Plan.model_validate(FULL).model_dump(mode="json", by_alias=True), schema)


@pytest.mark.parametrize(
    "data",
    [
        {"sed": 1},
        phase(**{"for": 8}),
        phase(provider={"capacity": {"slot": 4}}),
        ruled(fault="stal"),
        ruled(fault="stall", **{"with": {"secs": "1s"}}),
        {"provider": {"regions": {"eu": {"limits": {"rpm": 0}}}}},
    ],
)
def test_the_exported_schema_refuses_unknown_names_and_bare_numbers(data: dict[str, Any]) -> None:
    """An editor with the schema marks unknown keys, faults and parameters, and missing units."""
    assert not jsonschema.Draft202012Validator(Plan.model_json_schema()).is_valid(data)


def test_every_field_of_the_schema_is_described() -> None:
    """No key of a plan is without a sentence that says what it is."""
    definitions = Plan.model_json_schema()["$defs"]
    silent = [
        f"{name}.{key}"
        for name, definition in definitions.items()
        for key, value in definition.get("properties", {}).items()
        if "description" not in value
    ]
    assert silent == []
