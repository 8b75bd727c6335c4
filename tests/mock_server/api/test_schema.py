"""Values made from JSON schemas are valid against them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.json_schema.patterns import PatternError, matching
from windtunnel.mock_server.api.json_schema.strict import strict_problem
from windtunnel.mock_server.api.json_schema.values import instance, schema_problem

FORMATS = ["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"]
PATTERNS = [
    "^[A-Z]{3}-\\d{4}$",
    "^(red|green|blue)+$",
    "^\\w+@\\w+\\.(com|org)$",
    "a{2,3}b?",
    "^[^aeiou\\s]{1,5}$",
    "^\\+?[0-9]{1,3}( ?[0-9]{2}){2,5}$",
    "^(?:[01]\\d|2[0-3]):[0-5]\\d$",
    "^\\S+$",
    "[\\w.-]*?x",
    "^\\u0041\\x42$",
    "^$",
]


def assert_valid(schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def text_schemas() -> st.SearchStrategy[dict[str, Any]]:
    lengths = st.integers(0, 30).flatmap(
        lambda low: st.fixed_dictionaries(
            {"type": st.just("string")},
            optional={"minLength": st.just(low), "maxLength": st.integers(low, low + 20)},
        )
    )
    formats = st.builds(lambda form: {"type": "string", "format": form}, st.sampled_from(FORMATS))
    patterns = st.builds(lambda pattern: {"type": "string", "pattern": pattern}, st.sampled_from(PATTERNS))
    return lengths | formats | patterns


def number_schemas() -> st.SearchStrategy[dict[str, Any]]:
    bounds = st.integers(-10_000, 10_000) | st.floats(-1e6, 1e6)

    def ranged(low: float, kind: str) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries(
            {"type": st.just(kind)},
            optional={
                "minimum": st.just(low),
                "exclusiveMinimum": st.just(low - 1),
                "maximum": st.floats(low + 10, low + 1e6) | st.integers(int(low) + 10, int(low) + 10_000),
                "exclusiveMaximum": st.just(low + 9),
                "multipleOf": st.sampled_from([1, 2, 5] if kind == "integer" else [0.5, 0.25, 2, 3]),
            },
        )

    return st.tuples(bounds, st.sampled_from(["integer", "number"])).flatmap(lambda pair: ranged(*pair))


def enumerations() -> st.SearchStrategy[dict[str, Any]]:
    scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5)
    listed = st.lists(scalars, min_size=1, max_size=4, unique_by=repr)
    return st.builds(lambda values: {"enum": values}, listed) | st.builds(
        lambda value: {"const": value}, scalars
    )


def composed(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.text("abcdef", min_size=1, max_size=3)

    def strict(properties: dict[str, Any]) -> dict[str, Any]:
        names = list(properties)
        closed = {"required": names, "additionalProperties": False}
        return {"type": "object", "properties": properties, **closed}

    def loose(properties: dict[str, Any], least: int) -> dict[str, Any]:
        some = list(properties)[::2]
        return {"type": "object", "properties": properties, "required": some, "minProperties": least}

    properties = st.dictionaries(names, inner, max_size=4)
    objects = st.builds(strict, properties) | st.builds(loose, properties, st.integers(0, 5))
    arrays = st.integers(0, 4).flatmap(
        lambda low: st.fixed_dictionaries(
            {"type": st.just("array"), "items": inner},
            optional={"minItems": st.just(low), "maxItems": st.integers(low, low + 3)},
        )
    )
    unions = st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3))
    nullable = st.just({"type": ["string", "null", "integer"]})
    maps = st.builds(lambda value: {"type": "object", "additionalProperties": value}, inner)
    both = st.builds(lambda schema: {"allOf": [schema, {"title": "x"}]}, inner)
    return objects | arrays | unions | nullable | maps | both


SCHEMAS = st.recursive(
    text_schemas() | number_schemas() | enumerations() | st.just({"type": "boolean"}), composed, max_leaves=12
)


@given(schema=SCHEMAS, key=st.text(max_size=4))
@settings(max_examples=400, deadline=None)
def test_every_value_is_valid_against_its_schema(schema: dict[str, Any], key: str) -> None:
    """Whatever the schema, the value made from it passes an independent validator."""
    problem = schema_problem(schema)
    if problem is None:
        assert_valid(schema, instance(schema, Draws(key)))
    else:  # a range of numbers may be empty or hold no multiple
        assert "multiple" in problem or "no number" in problem


TREE = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "children": {"type": "array", "items": {"$ref": "#"}},
        "next": {"anyOf": [{"$ref": "#/$defs/link"}, {"type": "null"}]},
    },
    "required": ["value", "children", "next"],
    "additionalProperties": False,
    "$defs": {
        "link": {
            "type": "object",
            "properties": {"node": {"$ref": "#"}, "label": {"$ref": "#/$defs/a~1b"}},
            "required": ["node", "label"],
            "additionalProperties": False,
        },
        "a/b": {"enum": ["left", "right"]},
    },
}
ONEOF = {
    "oneOf": [
        {"type": "object", "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}}},
        {"type": "object", "properties": {"kind": {"const": "dog"}}, "required": ["kind"]},
    ],
    "required": ["kind"],
}
BY_KEYWORD = {
    "tree": TREE,
    "oneOf beside required": ONEOF,
    "allOf narrows": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "number", "minimum": 3}}, "required": ["a"]},
            {"properties": {"a": {"type": "integer", "maximum": 5}, "b": {"type": "string"}}},
        ]
    },
    "ref with siblings": {
        "$defs": {"n": {"type": "integer", "minimum": 0}},
        "type": "object",
        "properties": {"n": {"$ref": "#/$defs/n", "maximum": 3, "description": "few"}},
        "required": ["n"],
    },
    "pattern properties": {
        "type": "object",
        "properties": {"x_id": {"type": "string"}},
        "patternProperties": {"_id$": {"minLength": 9}},
        "required": ["x_id", "y_id"],
        "additionalProperties": False,
    },
    "prefix items": {"type": "array", "prefixItems": [{"const": 1}, {"type": "string"}], "items": False},
    "unique items": {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
    "no type": {"properties": {"a": {}, "b": True}, "required": ["a", "b", "c"]},
    "empty": {},
    "enum beside bounds": {"type": "integer", "enum": [1, "2", 30, 4.5], "minimum": 2},
    "beyond 64 bits": {"type": "integer", "minimum": 2**64 - 1},
    "pattern and lengths": {"type": "string", "pattern": "^[a-z]+-[a-z]*$", "minLength": 50, "maxLength": 60},
    "pattern and length": {"type": "string", "pattern": "^[a-z]+$", "minLength": 12, "maxLength": 14},
    "a branch that nothing fits": {"anyOf": [False, {"type": "string", "minLength": 9, "maxLength": 1}, {}]},
}


@pytest.mark.parametrize("name", BY_KEYWORD)
def test_each_keyword_is_understood(name: str) -> None:
    """For fifty draws of each kind of schema, the value is valid."""
    schema = BY_KEYWORD[name]
    assert schema_problem(schema) is None
    for number in range(50):
        assert_valid(schema, instance(schema, Draws(str(number))))


def test_the_same_draws_make_the_same_value() -> None:
    """A value is a function of schema and draws."""
    assert instance(TREE, Draws("k")) == instance(TREE, Draws("k"))
    assert any(instance(TREE, Draws("k")) != instance(TREE, Draws(str(other))) for other in range(5))


def endless() -> dict[str, Any]:
    return {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (endless(), "no finite value"),
        ({"$ref": "#"}, "circles"),
        ({"$ref": "https://example.org/schema"}, "not local"),
        ({"$ref": "#/$defs/missing"}, "can not be resolved"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no number"),
        ({"type": "integer", "minimum": 1, "maximum": 2, "multipleOf": 7}, "multiple"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "above"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ({"type": "string", "pattern": "(a"}, "ends too early"),
        ({"type": "string", "format": "ipv4", "maxLength": 3}, "format"),
        ({"type": "colour"}, "not a type"),
        ({"enum": []}, "constants"),
        ({"allOf": [{"type": "string"}, {"type": "object"}]}, "both"),
        ({"type": "array", "items": False, "minItems": 1}, "items"),
        ({"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": True}, "items"),
        ({"type": "object", "properties": {"a": False}, "required": ["a"]}, "nothing"),
        ({"type": "object", "minProperties": 1, "additionalProperties": False}, "properties"),
        ({"type": "object", "properties": [1]}, "not a valid JSON schema"),
    ],
)
def test_a_schema_without_values_is_refused_with_the_reason(schema: dict[str, Any], reason: str) -> None:
    """A schema that nothing satisfies, or that is none, is a problem that says why."""
    problem = schema_problem(schema)
    assert problem is not None
    assert reason in problem


@given(
    parts=st.lists(
        st.sampled_from(["ab", "[c-f]", "\\d", "(g|hi)", "j*", "k{2}", "l?", "[^m]+?"]), min_size=1
    ),
    key=st.text(max_size=3),
    anchored=st.booleans(),
)
@settings(deadline=None)
def test_strings_match_the_patterns_they_are_made_from(parts: list[str], key: str, anchored: bool) -> None:
    """A pattern put together from everyday pieces gives a string that Python's own engine accepts."""
    pattern = f"^{''.join(parts)}$" if anchored else "".join(parts)
    assert re.search(pattern, matching(pattern, Draws(key)))


@pytest.mark.parametrize("pattern", ["\\p{L}", "(?<=a)b", "a)", "[z", "a{3,2}", "\\1", "(?i)a"])
def test_patterns_beyond_the_grammar_are_refused(pattern: str) -> None:
    """What the generator does not know is an error and never a wrong string."""
    with pytest.raises(PatternError):
        matching(pattern, Draws("k"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({}, None),
        ({"additionalProperties": True}, "In context=(), 'additionalProperties' is required"),
        ({"required": []}, "Missing 'a'"),
        ({"properties": {"a": {"allOf": []}}}, "In context=('properties', 'a'), 'allOf' is not permitted."),
        (
            {"properties": {"a": {"type": "array", "items": {"type": "object"}}}},
            "('properties', 'a', 'items')",
        ),
        ({"type": "array"}, "got 'type: \"array\"'"),
    ],
)
def test_strict_schemas_follow_the_rules_of_strict_mode(
    change: dict[str, Any], complaint: str | None
) -> None:
    """The rules of `strict: true` are enforced with the place of the first violation."""
    strict = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    found = strict_problem({**strict, **change})
    assert (found is None) if complaint is None else (found is not None and complaint in found)
