"""What a test asks of the mock, as data of a plan: `fault("stall", after_chunks=3, first=1)` becomes a rule.

A number where a duration belongs is seconds, as everywhere in Python; in files it needs its unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from windtunnel.harness.errors import InputError
from windtunnel.mock_server.errors import nearest
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.plan.provider import Provider
from windtunnel.mock_server.plan.rule import OK, Burst, Ramp, Rule
from windtunnel.mock_server.plan.units import DURATION_SCHEMA, format_seconds

RULE_KEYS = tuple(
    field.alias or name
    for name, field in Rule.model_fields.items()
    if name not in ("fault", "with_", "sequence")
)
"""What `fault` takes besides the parameters of the fault itself."""

SEQUENCE_KEYS = ("match", "id", "per", "burst", "charge", "holds_slot")

REGION = "local"
"""The one region of a mock in tests."""

FAST: Mapping[str, Any] = {
    "regions": {REGION: {}},
    "answer": {"first_token": "0ms", "tokens": 60, "tokens_per_second": 1_000_000},
}
"""The provider of a test that says nothing else: it answers at once, in 15 pieces."""


def fault_rule(where: str, name: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rule of one fault. Raises `InputError` for an unknown fault or keyword, with the nearest known one."""
    __tracebackhide__ = True
    kind = FAULTS.get(name)
    if kind is None:
        known = nearest(str(name), FAULTS, what="fault")
        raise InputError(where, found=f"the unknown fault {name!r}", expected=known)
    params = {field.alias or own for own, field in kind.params.model_fields.items()}
    rule: dict[str, Any] = {"fault": name}
    given: dict[str, Any] = dict(keywords.get("with_", keywords.get("with", {})))
    for key, value in keywords.items():
        if key in params:
            given[key] = value
        elif key in RULE_KEYS:
            rule[key] = value
        elif key not in ("with", "with_"):
            expected = nearest(key, [*params, *RULE_KEYS], what="parameter")
            raise InputError(where, found=f"the unknown parameter {key!r}", expected=expected)
    if given:
        rule["with"] = in_seconds(kind.params, given)
    return times_of_rule(rule)


def sequence_rule(where: str, entries: Iterable[Any], keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The rule of faults that follow each other; an entry is a name, `ok`, or `("stall", {"after_chunks": 3})`."""
    __tracebackhide__ = True
    if isinstance(entries, str):
        raise InputError(
            where, found=repr(entries), expected="a list of faults, such as ['overloaded', 'ok']"
        )
    unknown = [key for key in keywords if key not in SEQUENCE_KEYS]
    if unknown:
        expected = nearest(unknown[0], SEQUENCE_KEYS, what="parameter")
        raise InputError(where, found=f"the unknown parameter {unknown[0]!r}", expected=expected)
    sequence: list[Any] = []
    for entry in entries:
        if entry == OK:
            sequence.append(OK)
            continue
        rule = rule_of(where, entry)
        if extra := [key for key in rule if key not in ("fault", "with")]:
            raise InputError(
                where, found=f"{extra[0]} in one entry of a sequence", expected="it beside the sequence"
            )
        sequence.append(rule)
    return times_of_rule({"sequence": sequence, **keywords})


def rule_of(where: str, given: Any) -> dict[str, Any]:
    """The rule of a fault as a marker names it: a name, a pair of name and keywords, or a mapping with `fault`."""
    if isinstance(given, str):
        return fault_rule(where, given, {})
    if isinstance(given, Mapping) and "fault" in given:
        return fault_rule(where, given["fault"], {key: given[key] for key in given if key != "fault"})
    if isinstance(given, tuple | list) and len(given) == 2 and isinstance(given[1], Mapping):
        return fault_rule(where, given[0], given[1])
    expected = (
        "a fault: 'overloaded', ('stall', {'after_chunks': 3}) or {'fault': 'stall', 'after_chunks': 3}"
    )
    raise InputError(where, found=repr(given), expected=expected)


def times_of_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule whose burst and ramp may have bare numbers, with units."""
    for key, model in (("burst", Burst), ("ramp", Ramp)):
        if isinstance(rule.get(key), Mapping):
            rule[key] = in_seconds(model, rule[key])
    return rule


def in_seconds(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values in which numbers have the unit of seconds where the model wants a duration."""
    return {key: _with_unit(model, key, value) for key, value in values.items()}


def _with_unit(model: type[BaseModel], key: str, value: Any) -> Any:
    if not isinstance(value, int | float | timedelta) or isinstance(value, bool):
        return value
    if key == "retry_after_ms":  # a header's text, whose name has the unit
        return f"{value.total_seconds() * 1000:g}ms" if isinstance(value, timedelta) else f"{value}ms"
    if key == "retry_after" or key in _durations(model):
        return format_seconds(value.total_seconds() if isinstance(value, timedelta) else float(value))
    return value


@cache
def _durations(model: type[BaseModel]) -> frozenset[str]:
    """The fields of a model that are durations, as its schema says."""
    properties: dict[str, Any] = model.model_json_schema(by_alias=True).get("properties", {})
    found = []
    for name, schema in properties.items():
        choices = [schema, *schema.get("anyOf", [])]
        choices += [inner for one in choices for inner in one.get("anyOf", [])]
        if any(one.get("pattern") == DURATION_SCHEMA["pattern"] for one in choices):
            found.append(name)
    return frozenset(found)


def check(where: str, plan: Mapping[str, Any]) -> Plan:
    """The plan, read. Raises `InputError` with the first thing that is wrong with it, in words of the test."""
    __tracebackhide__ = True
    try:
        return Plan.model_validate(plan)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        loc = [str(part) for part in first["loc"] if part != "with"]
        if loc[:1] == ["rules"]:
            loc = loc[2:]
        context = first.get("ctx", {})
        found, expected = (
            str(context.get("found", repr(first["input"]))),
            str(context.get("expected", first["msg"])),
        )
        raise InputError(where, path=".".join(loc), found=found, expected=expected) from None


def plan_of_scenario(scenario: str) -> dict[str, Any]:
    """The plan of a scenario of the gallery, or of a file, with its default region alone. Raises `InputError`."""
    __tracebackhide__ = True
    from windtunnel.harness.inputs.gallery import load_scenario
    from windtunnel.harness.inputs.secured import refuse_tls

    loaded = load_scenario(scenario)
    refuse_tls(loaded, "in the mock of a test", instead="a scenario without it, or `windtunnel serve --tls`")
    plan = loaded.plan().model_dump(mode="json", by_alias=True, exclude_defaults=True)
    provider: dict[str, Any] = plan.setdefault("provider", {})
    regions = provider.get("regions", {})
    only = next(iter(regions), Provider().default_region)
    provider["regions"] = {REGION: regions.get(only, {})}
    plan["rules"] = _rules_of(plan.get("rules", []), only)
    for phase in plan.get("phases", []):
        phase["rules"] = _rules_of(phase.get("rules", []), only)
        parts = phase.get("provider", {})
        if "regions" in parts:
            here = parts.pop("regions")
            if only in here:
                parts["regions"] = {REGION: here[only]}
    return plan


def _rules_of(rules: Iterable[dict[str, Any]], region: str) -> list[dict[str, Any]]:
    """The rules that hold in a region, with the region's name in tests."""
    kept = []
    for rule in rules:
        match = rule.get("match", {})
        if match.get("region") not in (None, region):
            continue
        if "region" in match:
            rule = {**rule, "match": {**match, "region": REGION}}
        kept.append(rule)
    return kept
