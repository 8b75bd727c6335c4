"""Responses: their form, and the order of their events."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from mock_server.api.truth import digest
from mock_server.script import Send

FUNCTION: dict[str, Any] = {
    "type": "function",
    "name": "weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
LONG = FUNCTION["parameters"] | {"properties": {"city": {"const": "x" * 99}}}
SCHEMA = {"type": "json_schema", "name": "answer", "strict": True, "schema": FUNCTION["parameters"]}
SHAPES: dict[str, dict[str, Any]] = {
    "prose": {},
    "echo": {
        "instructions": "Be brief.",
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "reasoning": {"effort": "low"},
        "previous_response_id": "resp_1",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Speak."}]}],
    },
    "function": {"tools": [FUNCTION], "tool_choice": "required"},
    "custom": {
        "tools": [{"type": "custom", "name": "shell"}],
        "tool_choice": {"type": "custom", "name": "shell"},
    },
    "schema": {"text": {"format": SCHEMA}},
    "cut": {"max_output_tokens": 16},
    "cut function": {
        "tools": [FUNCTION | {"parameters": LONG}],
        "max_output_tokens": 16,
        "tool_choice": {"type": "function", "name": "weather"},
    },
}
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
OPENING = ["response.created", "response.in_progress", "response.output_item.added"]


def text_of(shape: str) -> bool:
    return "function" not in shape and shape != "custom"


def no_extras(value: Any) -> None:
    """Fails if the SDK's types do not know a field (`store` is one that they leave out)."""
    for inner in value if isinstance(value, list) else [value]:
        if hasattr(inner, "model_extra"):
            assert set(inner.model_extra or ()) <= {"store"}, inner.model_extra
            for name in type(inner).model_fields:
                no_extras(getattr(inner, name))


@pytest.mark.parametrize("shape", SHAPES)
def test_whole_responses_satisfy_the_sdks_types(wire: Any, shape: str) -> None:
    """Every response validates strictly against the SDK's own type, and its usage is its work."""
    answer = wire.reply(wire.ask("responses", **SHAPES[shape]))
    response = Response.model_validate_json(wire.bytes(answer.script), strict=True)
    no_extras(response)
    assert response.usage is not None
    assert response.usage.output_tokens == answer.tokens == wire.work(answer.script)
    cut = shape.startswith("cut")
    assert response.status == ("incomplete" if cut else "completed")
    assert answer.finish_reason == ("length" if cut else "stop" if text_of(shape) else "tool_calls")


@pytest.mark.parametrize("shape", SHAPES)
def test_streams_have_the_whole_sequence_of_events(wire: Any, shape: str) -> None:
    """Events come in the documented order, each valid and numbered, and the last one holds the response."""
    whole = wire.reply(wire.ask("responses", **SHAPES[shape]))
    streamed = wire.reply(wire.ask("responses", **SHAPES[shape], stream=True))
    events = wire.events(streamed.script)
    for number, (name, data) in enumerate(events):
        assert (data["type"], data["sequence_number"]) == (name, number)
        no_extras(EVENT.validate_python(data, strict=True))
    names = [name for name, _ in events]
    kind = "response.output_text" if text_of(shape) else "response.function_call_arguments"
    kind = "response.custom_tool_call_input" if shape == "custom" else kind
    deltas = [data["delta"] for name, data in events if name == f"{kind}.delta"]
    part = ["response.content_part.added"] if text_of(shape) else []
    done = ["response.content_part.done"] if text_of(shape) else []
    last = "response.incomplete" if shape.startswith("cut") else "response.completed"
    assert names == [
        *OPENING,
        *part,
        *[f"{kind}.delta"] * len(deltas),
        f"{kind}.done",
        *done,
        "response.output_item.done",
        last,
    ]
    assert events[-1][1]["response"] == wire.json(whole.script)
    assert whole.truth_digest == streamed.truth_digest
    assert wire.work(streamed.script) == streamed.tokens == whole.tokens
    assert streamed.script.steps[-2].role == "terminal"
    content = [step for step in streamed.script.steps if isinstance(step, Send) and step.role == "content"]
    assert len(content) == len(deltas)


def test_the_truth_is_one_choice_with_the_text(wire: Any) -> None:
    """The digest of a response is that of its output text and its status as a finish reason."""
    answer = wire.reply(wire.ask("responses"))
    text = wire.json(answer.script)["output"][0]["content"][0]["text"]
    assert answer.truth_digest == digest([(0, text, None, [], "stop")])


def test_chat_and_responses_say_the_same(wire: Any) -> None:
    """For the same draw both APIs mean the same words."""
    assert wire.reply(wire.ask("chat")).truth_digest == wire.reply(wire.ask("responses")).truth_digest


def test_tools_are_repeated_with_their_defaults(wire: Any) -> None:
    """A response echoes the request's tools, format and limits."""
    bare = {"type": "function", "name": "f"}
    response = wire.json(wire.reply(wire.ask("responses", tools=[bare], max_output_tokens=99)).script)
    assert response["tools"] == [{**bare, "description": None, "parameters": None, "strict": True}]
    assert response["max_output_tokens"] == 99
    assert response["text"] == {"format": {"type": "text"}}
