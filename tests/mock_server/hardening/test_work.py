"""A small request causes little work: whatever its schema, nobody else waits for it.

The measure is CPU time of the thread that serves, which a loaded machine does not lengthen much.
"""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from windtunnel.mock_server.api.json_schema.patterns import found_in
from windtunnel.mock_server.api.json_schema.values import MOST_BYTES
from windtunnel.mock_server.api.json_schema.work import Work
from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.engine import Engine
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.transports.limits import weight

MOST_CPU_S = 2.0
"""Far above what a request may take (250 ms), for a machine that is slow and shared."""

HEADERS = {"authorization": "Bearer sk-test", "content-type": "application/json"}


def answered(path: str, body: dict[str, Any]) -> tuple[float, int | None]:
    """The CPU seconds from the bytes of a request to its script, and the status."""
    engine = Engine(Plan())
    data = orjson.dumps(body)
    began = time.thread_time()
    if weight(HEADERS, data) < 0:
        return time.thread_time() - began, 413
    request = parse("POST", path, HEADERS, data, region="local")
    ticket = engine.identify(request, 0.0)
    engine.admit(ticket, 0.0)
    if ticket.state == "granted":
        engine.start(ticket, 0.0)
    return time.thread_time() - began, ticket.status


def structured(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A chat request for an answer that fits a schema."""
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    return {
        "model": "gpt-4.1-mini",
        "messages": [{"role": "user", "content": "hi"}],
        "response_format": wanted,
        **more,
    }


def one_property(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, "required": ["a"]}


def chain(levels: int) -> dict[str, Any]:
    """Alternatives within alternatives, of which none is valid."""
    defs: dict[str, Any] = {"d0": {"type": "string", "enum": []}}
    for level in range(1, levels):
        defs[f"d{level}"] = {"anyOf": [{"$ref": f"#/$defs/d{level - 1}", "title": str(i)} for i in range(4)]}
    return {"type": "object", "$defs": defs, "properties": {"a": {"$ref": f"#/$defs/d{levels - 1}"}}}


HEAVY = {
    "a pattern that backtracks": one_property({"type": "string", "pattern": "(a|a)" * 40 + "$"}),
    "quantifiers within quantifiers": one_property({"type": "string", "pattern": "^((\\w{0,300}){3}){2}x$"}),
    "a pattern beside an enum": one_property(
        {"enum": ["a" * 30 + str(i) for i in range(500)], "pattern": "^(a|a)+$"}
    ),
    "a large enum": one_property({"enum": list(range(40_000))}),
    "two large enums": one_property(
        {"allOf": [{"enum": list(range(20_000))}, {"enum": list(range(20_000))}]}
    ),
    "many parts": one_property({"allOf": [{"properties": {f"p{i}": {}}} for i in range(8_000)]}),
    "many patterns for many names": {
        "type": "object",
        "properties": {f"name{i}": {} for i in range(200)},
        "patternProperties": {f"^(\\w+{i})*x": {} for i in range(100)},
    },
    "alternatives without end": chain(30),
    "many long texts": one_property(
        {"type": "array", "minItems": 5_000, "items": {"type": "string", "pattern": "^(\\w{5}-){9}$"}}
    ),
    "unique items that are not there": one_property(
        {"type": "array", "minItems": 5_000, "uniqueItems": True, "items": {"enum": ["x" * 5_000]}}
    ),
    "wide objects in arrays": one_property(
        {
            "type": "array",
            "minItems": 1_000,
            "items": {"type": "object", "properties": {f"p{i}": {"type": "null"} for i in range(1_000)}},
        }
    ),
}


@pytest.mark.parametrize("name", HEAVY)
def test_a_schema_causes_little_work(name: str) -> None:
    """Refused or answered, a schema keeps the server busy for a moment only; 128 choices or tools of it as well."""
    schema = HEAVY[name]
    tool = {"name": "t", "parameters": schema}
    tools = [{"type": "function", "function": {**tool, "description": str(i)}} for i in range(128)]
    for more in ({}, {"n": 128}, {"tools": tools, "tool_choice": "required"}):
        cpu_s, status = answered("/v1/chat/completions", structured(schema, **more))
        assert cpu_s < MOST_CPU_S
        assert status in (200, 400, 413)


def test_the_answer_to_heavy_but_harmless_schemas_is_still_an_answer() -> None:
    """What costs little when it is done well is not refused."""
    for name in ("a pattern that backtracks", "a large enum", "two large enums"):
        assert answered("/v1/chat/completions", structured(HEAVY[name]))[1] == 200, name


def test_patterns_are_searched_without_backtracking() -> None:
    """Where a backtracking engine takes 2 to the 40th steps, the answer comes at once, and is the right one."""
    began = time.thread_time()
    assert found_in("a" * 40, "(a|a)" * 40 + "$", Work()) is True
    assert found_in("a" * 40 + "b", "^(a|a)*$", Work()) is False
    assert time.thread_time() - began < MOST_CPU_S


ATOMS = st.sampled_from(
    ["a", "\\w", ".", "[a-z]", "(a|a)", "(\\w*)", "(a+)+", "(\\d{0,99})", "(x{9}){9}", "\\u0041"]
)
QUANTIFIERS = st.sampled_from(["", "*", "+", "?", "{0,50}", "{3}", "{1000}", "{2,}"])
PATTERNS = st.lists(st.tuples(ATOMS, QUANTIFIERS).map("".join), min_size=1, max_size=40).map("".join)


def _larger(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas made of schemas, and many times over: a search finds what a repeated part does, not a long file."""
    many = st.sampled_from([1, 3, 20, 400])
    repeated = st.tuples(inner, many)
    return (
        st.builds(
            lambda part, least, unique: {
                "type": "array",
                "items": part,
                "minItems": least,
                "uniqueItems": unique,
            },
            inner,
            many,
            st.booleans(),
        )
        | repeated.map(lambda it: {"allOf": [it[0]] * it[1]})
        | repeated.map(lambda it: {"anyOf": [{**it[0], "title": str(i)} for i in range(it[1])]})
        | repeated.map(
            lambda it: {
                "type": "object",
                "properties": {f"p{i}": it[0] for i in range(it[1])},
                "required": [f"p{i}" for i in range(it[1])],
            }
        )
        | st.tuples(inner, PATTERNS, many).map(
            lambda it: {
                "type": "object",
                "properties": {f"a{i}": {} for i in range(it[2])},
                "patternProperties": {f"{it[1]}{i}": it[0] for i in range(min(20, it[2]))},
            }
        )
    )


LEAVES = (
    st.builds(
        lambda pattern, least: {"type": "string", "pattern": pattern, "minLength": least},
        PATTERNS,
        st.sampled_from([0, 5, 500, 100_000]),
    )
    | st.sampled_from([1, 300, 10_000]).map(lambda n: {"enum": [f"value {i}" for i in range(n)]})
    | st.sampled_from([1, 10_000, 10**6]).map(lambda n: {"type": "string", "minLength": n})
    | st.just({"type": "integer", "multipleOf": 1e-9, "minimum": 0.5})
    | st.just({"$ref": "#"})
)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.recursive(LEAVES, _larger, max_leaves=4), st.sampled_from([1, 128]))
def test_no_schema_is_found_that_holds_others_up(schema: dict[str, Any], n: int) -> None:
    """A search for small schemas that cause much work."""
    assume(len(orjson.dumps(schema)) < MOST_BYTES)
    cpu_s, _ = answered("/v1/chat/completions", structured(one_property(schema), n=n))
    assert cpu_s < MOST_CPU_S
