"""Answers in the form that a prompt asks for: the ways of LangChain, instructor, pydantic-ai and DSPy."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.mock_server.api.responses_bodies import Api, json_of

SCHEMA: dict[str, Any] = {
    "$defs": {"Leg": {"type": "object", "properties": {"km": {"type": "integer"}}, "required": ["km"]}},
    "title": "Trip",
    "type": "object",
    "properties": {"city": {"type": "string"}, "legs": {"type": "array", "items": {"$ref": "#/$defs/Leg"}}},
    "required": ["city", "legs"],
}

LANGCHAIN = (
    "The output should be formatted as a JSON instance that conforms to the JSON schema below.\n\n"
    'As an example, for the schema {"properties": {"foo": {"title": "Foo", "description": "a list of strings", '
    '"type": "array", "items": {"type": "string"}}}, "required": ["foo"]}\n'
    'the object {"foo": ["bar", "baz"]} is a well-formatted instance of the schema. The object {"properties": '
    '{"foo": ["bar", "baz"]}} is not well-formatted.\n\nHere is the output schema:\n```\n%s\n```'
)
INSTRUCTOR = (
    "As a genius expert, your task is to understand the content and provide the parsed objects in json that match "
    "the following json_schema:\n\n\n%s\n\nMake sure to return an instance of the JSON, not the schema itself\n"
)
PYDANTIC_AI = (
    "Always respond with a JSON object that's compatible with this schema:\n\n%s\n\n"
    "Don't include any text or Markdown fencing before or after."
)


def said(body: dict[str, Any], *, chat: bool = True) -> str:
    """The text of an answer."""
    if chat:
        made = Api().do("POST", "/v1/chat/completions", {"model": "m", **body})
        text: str = json_of(made.script)["choices"][0]["message"]["content"]
        return text
    found = json_of(Api().do("POST", "/v1/responses", {"model": "m", **body}).script)
    spoken: str = found["output"][0]["content"][0]["text"]
    return spoken


@pytest.mark.parametrize("form", [LANGCHAIN, INSTRUCTOR, PYDANTIC_AI])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("more", [{}, {"response_format": {"type": "json_object"}}])
@pytest.mark.parametrize("place", ["system", "user", "parts", "instructions", "input"])
def test_an_answer_fits_the_schema_in_the_prompt(
    form: str, indent: int | None, more: dict[str, Any], place: str
) -> None:
    """The last schema in the prompt is the one that counts, wherever it stands; JSON mode changes nothing."""
    text = form % json.dumps(SCHEMA, indent=indent) + " Answer in JSON."
    user = {"role": "user", "content": "Where to?"}
    bodies: dict[str, dict[str, Any]] = {
        "system": {"messages": [{"role": "system", "content": text}, user], **more},
        "user": {"messages": [{"role": "user", "content": f"{text}\n\nWhere to?"}], **more},
        "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}], **more},
        "instructions": {"instructions": text, "input": "Where to?"},
        "input": {"input": [{"role": "user", "content": [{"type": "input_text", "text": text}]}]},
    }
    value = json.loads(said(bodies[place], chat=place not in ("instructions", "input")))
    Draft202012Validator(SCHEMA).validate(value)
    assert value["city"]


def test_a_form_in_words_is_filled_in() -> None:
    """LangChain's structured output parser names its fields in a snippet that is no JSON."""
    text = (
        "The output should be a markdown code snippet formatted in the following schema, including the leading and "
        'trailing "```json" and "```":\n\n```json\n{\n\t"answer": string  // the answer\n\t"score": integer  // how '
        "sure\n}\n```"
    )
    found = re.fullmatch(
        r"```json\n(.*)\n```", said({"messages": [{"role": "user", "content": text}]}), re.DOTALL
    )
    assert found is not None
    value = json.loads(found[1])
    assert isinstance(value["answer"], str)
    assert isinstance(value["score"], int)


NOTES = (
    "[[ ## answer ## ]]\n{answer}        # note: the value you produce must adhere to the JSON schema: "
    '{"type": "array", "items": {"type": "string"}}\n\n'
    "[[ ## sure ## ]]\n{sure}        # note: the value you produce must be True or False\n\n"
    "[[ ## many ## ]]\n{many}        # note: the value you produce must be a single int value\n\n"
    "[[ ## kind ## ]]\n{kind}        # note: the value you produce must exactly match (no extra characters) one of: "
    "good; bad\n\n[[ ## completed ## ]]"
)


def test_dspys_markers_are_answered_with_markers() -> None:
    """Every field that is asked for comes behind its marker, of the kind in its note, and then the last marker."""
    system = f"All interactions will be structured so:\n\n[[ ## question ## ]]\n{{question}}\n\n{NOTES}"
    user = (
        "[[ ## question ## ]]\nWhy?\n\nRespond with the corresponding output fields, starting with the field "
        "`[[ ## reasoning ## ]]`, then `[[ ## answer ## ]]` (must be formatted as a valid Python list[str]), then "
        "`[[ ## sure ## ]]`, then `[[ ## many ## ]]`, then `[[ ## kind ## ]]`, and then ending with the marker for "
        "`[[ ## completed ## ]]`."
    )
    text = said({"messages": [{"role": "system", "content": system}, {"role": "user", "content": user}]})
    parts = re.split(r"\[\[ ## (\w+) ## \]\]", text)
    values = dict(zip(parts[1::2], [part.strip() for part in parts[2::2]], strict=True))
    assert list(values) == ["reasoning", "answer", "sure", "many", "kind", "completed"]
    assert values["reasoning"]
    assert all(isinstance(word, str) for word in json.loads(values["answer"]))
    assert values["sure"] in ("True", "False")
    assert int(values["many"]) >= 0
    assert values["kind"] in ("good", "bad")


def test_dspys_json_has_the_fields_in_their_order() -> None:
    """The JSON adapter names the fields, and the notes say of what kind they are."""
    user = (
        "Respond with a JSON object in the following order of fields: `reasoning`, then `answer` (must be formatted "
        "as a valid Python list[str]), then `many`."
    )
    notes = NOTES.replace('"', '\\"')
    messages = [{"role": "system", "content": notes}, {"role": "user", "content": user}]
    value = json.loads(said({"messages": messages, "response_format": {"type": "json_object"}} | {}))
    assert list(value) == ["reasoning", "answer", "many"]
    assert isinstance(value["answer"], list)
    assert isinstance(value["many"], int)


@pytest.mark.parametrize(
    "text",
    [
        "Tell me about JSON.",
        'The word "properties" stands here, and {"a": 1} there.',
        'No schema: {"type": "object", "properties": 7}',
        'Nothing fits it: {"type": "object", "properties": {"a": {"enum": []}}, "required": ["a"]}',
        "[[ ## are not markers",
    ],
)
def test_a_prompt_that_asks_for_no_form_gets_prose(text: str) -> None:
    """Words that only look like it change nothing: the answer is that of any prompt."""
    usual = said({"messages": [{"role": "user", "content": "x"}]})
    assert said({"messages": [{"role": "user", "content": text}]}) == usual


def test_what_a_model_or_a_tool_said_is_no_wish() -> None:
    """A schema in an answer, or in a tool's result, asks for nothing."""
    told = PYDANTIC_AI % json.dumps(SCHEMA)
    messages = [{"role": "assistant", "content": told}, {"role": "user", "content": "x"}]
    assert said({"messages": messages}) == said({"messages": [{"role": "user", "content": "x"}]})


@pytest.mark.parametrize("filling", ["{", '{"', '{"properties": ', '{"a":{"properties":['])
def test_a_prompt_full_of_braces_takes_no_time(filling: str) -> None:
    """However often a schema seems to begin, it is tried a few times only."""
    text = '"properties"' + filling * (400_000 // len(filling))
    began = time.process_time()
    assert said({"messages": [{"role": "user", "content": text}]})
    assert time.process_time() - began < 2.0
