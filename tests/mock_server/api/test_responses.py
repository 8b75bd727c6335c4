"""Responses: their form in every shape that a request can ask for, and the order of their events."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mock_server.api.responses_bodies import events_of, valid_response
from windtunnel.mock_server.api.truth import digest
from windtunnel.mock_server.script import Send

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
TIDES = FUNCTION | {"name": "tides"}
LONG = FUNCTION["parameters"] | {"properties": {"city": {"const": "x" * 99}}}
SCHEMA = {"type": "json_schema", "name": "answer", "strict": True, "schema": FUNCTION["parameters"]}
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://example.com", "authorization": "secret"}
PREVIEW = {
    "type": "computer_use_preview",
    "display_width": 1024,
    "display_height": 768,
    "environment": "browser",
}


def forced(tool: dict[str, Any], **body: Any) -> dict[str, Any]:
    return {"tools": [tool], "tool_choice": "required", **body}


SHAPES: dict[str, dict[str, Any]] = {
    "prose": {},
    "echo": {
        "instructions": "Be brief.",
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "reasoning": {"effort": "none"},
        "previous_response_id": "resp_1",
        "service_tier": "auto",
        "truncation": "auto",
        "safety_identifier": "user-1",
        "prompt_cache_key": "cache-1",
        "prompt_cache_retention": "24h",
        "prompt_cache_options": {"mode": "explicit", "prewarm": True, "comparison_response_id": "resp_1"},
        "prompt": {"id": "pmpt_1", "version": "2", "variables": {"city": "Oslo"}},
        "access_programs": {"cyber": "standard"},
        "image": {"context_compression": "auto"},
        "moderation": {"model": "omni-moderation-latest"},
        "max_tool_calls": 3,
        "store": False,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Speak."}]}],
    },
    "verbose": {"text": {"verbosity": "high"}},
    "logprobs": {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
    "function": {"tools": [FUNCTION], "tool_choice": "required"},
    "functions": {"tools": [FUNCTION, TIDES], "tool_choice": "required", "parallel_tool_calls": True},
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
    "reasoning": {"reasoning": {"effort": "low"}},
    "summary": {
        "reasoning": {"effort": "high", "summary": "detailed"},
        "include": ["reasoning.encrypted_content"],
    },
    "cut in reasoning": {"reasoning": {"effort": "max"}, "max_output_tokens": 16},
    "web": forced({"type": "web_search"}, include=["web_search_call.action.sources"]),
    "web unseen": forced({"type": "web_search_preview"}),
    "files": forced(
        {"type": "file_search", "vector_store_ids": ["vs_1"]}, include=["file_search_call.results"]
    ),
    "code": forced(
        {"type": "code_interpreter", "container": {"type": "auto"}}, include=["code_interpreter_call.outputs"]
    ),
    "picture": forced({"type": "image_generation", "partial_images": 2, "quality": "high"}),
    "mcp": forced(MCP | {"require_approval": "never"}, reasoning={"effort": "low"}),
    "mcp approval": {"tools": [MCP], "tool_choice": {"type": "mcp", "server_label": "docs"}},
    "computer": forced({"type": "computer"}),
    "preview": {"tools": [PREVIEW], "tool_choice": {"type": "computer_use_preview"}},
    "shell": {"tools": [{"type": "shell"}], "tool_choice": {"type": "shell"}},
    "local shell": forced({"type": "local_shell"}),
    "patch": {"tools": [{"type": "apply_patch"}], "tool_choice": {"type": "apply_patch"}},
    "compaction": {"context_management": [{"type": "compaction", "compact_threshold": 1}]},
}
HIDDEN = ("computer", "preview", "shell", "local shell", "patch", "mcp approval", "cut in reasoning")
"""Shapes that say nothing in words and call no function."""
OPENING = ["response.created", "response.in_progress", "response.output_item.added"]
PLAIN = ("prose", "echo", "verbose", "logprobs", "function", "custom", "schema", "cut", "cut function")


def text_of(shape: str) -> bool:
    return "function" not in shape and shape != "custom"


@pytest.mark.parametrize("shape", SHAPES)
def test_whole_responses_satisfy_the_sdks_types(wire: Any, shape: str) -> None:
    """Every response validates strictly against the SDK's own type, and its usage is its work."""
    answer = wire.reply(wire.ask("responses", **SHAPES[shape]))
    response = valid_response(wire.bytes(answer.script))
    assert response.usage is not None
    assert response.usage.output_tokens == answer.tokens == wire.work(answer.script)
    cut = shape.startswith("cut")
    assert response.status == ("incomplete" if cut else "completed")
    assert answer.finish_reason == ("length" if cut else "stop" if text_of(shape) else "tool_calls")
    calls = [(item.name, item.arguments) for item in response.output if item.type == "function_call"]
    if shape != "custom":
        assert answer.truth_digest == digest([(0, response.output_text, None, calls, answer.finish_reason)])
    assert bool(response.output_text or calls) == (shape not in (*HIDDEN, "custom"))


@pytest.mark.parametrize("shape", SHAPES)
def test_streams_say_what_whole_responses_say(wire: Any, shape: str) -> None:
    """Every event is valid and numbered, and the last one holds the response that would have come in one piece."""
    whole = wire.reply(wire.ask("responses", **SHAPES[shape]))
    streamed = wire.reply(wire.ask("responses", **SHAPES[shape], stream=True))
    events = events_of(streamed.script)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    last = events[-1]["response"]
    assert last == wire.json(whole.script)
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    added = [event["item"]["id"] for event in events if event["type"] == "response.output_item.added"]
    assert done == last["output"]
    assert added == [item["id"] for item in done] == list(dict.fromkeys(added))
    assert whole.truth_digest == streamed.truth_digest
    assert wire.work(streamed.script) == streamed.tokens == whole.tokens
    sends = [step for step in streamed.script.steps if isinstance(step, Send)]
    assert sum(step.tokens for step in sends) == streamed.tokens
    assert [step.role for step in sends].index("terminal") == len(sends) - 1


@pytest.mark.parametrize("shape", PLAIN)
def test_streams_have_the_whole_sequence_of_events(wire: Any, shape: str) -> None:
    """The events of a message or a call come in the documented order."""
    streamed = wire.reply(wire.ask("responses", **SHAPES[shape], stream=True))
    events = events_of(streamed.script)
    kind = "response.output_text" if text_of(shape) else "response.function_call_arguments"
    kind = "response.custom_tool_call_input" if shape == "custom" else kind
    deltas = [event["delta"] for event in events if event["type"] == f"{kind}.delta"]
    part = ["response.content_part.added"] if text_of(shape) else []
    done = ["response.content_part.done"] if text_of(shape) else []
    assert [event["type"] for event in events] == [
        *OPENING,
        *part,
        *[f"{kind}.delta"] * len(deltas),
        f"{kind}.done",
        *done,
        "response.output_item.done",
        "response.incomplete" if shape.startswith("cut") else "response.completed",
    ]
    content = [step for step in streamed.script.steps if isinstance(step, Send) and step.role == "content"]
    assert len(content) == len(deltas)


def test_chat_and_responses_say_the_same(wire: Any) -> None:
    """For the same draw both APIs mean the same words."""
    assert wire.reply(wire.ask("chat")).truth_digest == wire.reply(wire.ask("responses")).truth_digest


def test_tools_are_repeated_with_their_defaults(wire: Any) -> None:
    """A response echoes the request's tools, format and limits, and no secrets."""
    bare = {"type": "function", "name": "f"}
    response = wire.json(wire.reply(wire.ask("responses", tools=[bare, MCP], max_output_tokens=99)).script)
    assert response["tools"][0] == {**bare, "description": None, "parameters": None, "strict": True}
    assert "secret" not in str(response)
    assert response["max_output_tokens"] == 99
    assert response["text"] == {"format": {"type": "text"}}


def test_a_conversation_is_named_by_its_id(wire: Any) -> None:
    """A conversation is echoed as an object, however the request names it."""
    for given in ("conv_1", {"id": "conv_1"}):
        response = wire.json(wire.reply(wire.ask("responses", conversation=given)).script)
        assert response["conversation"] == {"id": "conv_1"}


def test_verbosity_changes_the_length(wire: Any) -> None:
    """A terse answer is half as long as usual, a verbose one twice."""
    low, high = (wire.reply(wire.ask("responses", text={"verbosity": how})) for how in ("low", "high"))
    assert (low.tokens, high.tokens) == (15, 60)


def test_reasoning_is_billed_and_comes_first(wire: Any) -> None:
    """Reasoning tokens are part of the output and of its limit, and grow with the effort."""
    counts = []
    for effort in ("minimal", "low", "medium", "high"):
        answer = wire.reply(wire.ask("responses", reasoning={"effort": effort}))
        response = wire.json(answer.script)
        assert response["output"][0] | {"id": ""} == {"id": "", "type": "reasoning", "summary": []}
        details = response["usage"]["output_tokens_details"]
        counts.append(details["reasoning_tokens"])
        assert response["usage"]["output_tokens"] == counts[-1] + 30
    assert counts == sorted(set(counts))
    cut = wire.json(wire.reply(wire.ask("responses", **SHAPES["cut in reasoning"])).script)
    assert [item["type"] for item in cut["output"]] == ["reasoning"]
    assert cut["usage"]["output_tokens_details"]["reasoning_tokens"] == 16


def test_secrets_are_seen_only_where_they_are_included(wire: Any) -> None:
    """Sources, results, outputs, log probabilities and encrypted reasoning come only if `include` names them."""
    for shape, name in (("web", "sources"), ("files", "notes.txt"), ("code", "logs"), ("summary", "gAAAA")):
        asked = SHAPES[shape]
        unasked = {field: value for field, value in asked.items() if field != "include"}
        texts = [
            str(wire.json(wire.reply(wire.ask("responses", **one)).script)["output"])
            for one in (asked, unasked)
        ]
        assert [name in text.replace("'logprobs'", "") for text in texts] == [True, False]


def test_log_probabilities_cover_the_text(wire: Any) -> None:
    """The tokens of the log probabilities are the text, in the deltas as in the whole."""
    request = wire.ask("responses", **SHAPES["logprobs"], stream=True)
    events = events_of(wire.reply(request, tokens=9).script)
    for event in events:
        if event["type"] == "response.output_text.delta":
            assert "".join(one["token"] for one in event["logprobs"]) == event["delta"]
            assert all(len(one["top_logprobs"]) == 2 for one in event["logprobs"])
    part = events[-1]["response"]["output"][0]["content"][0]
    assert "".join(one["token"] for one in part["logprobs"]) == part["text"]


def test_obfuscation_hides_lengths(wire: Any) -> None:
    """`include_obfuscation` adds a field to every delta that makes up for its length."""
    request = wire.ask("responses", stream=True, stream_options={"include_obfuscation": True})
    deltas = [event for event in events_of(wire.reply(request).script) if "delta" in event["type"]]
    assert {(len(event["delta"]) + len(event["obfuscation"])) % 16 for event in deltas} == {0}


def test_several_tools_only_where_it_is_said(wire: Any) -> None:
    """Several calls come where `parallel_tool_calls` is true, and `max_tool_calls` limits the provider's own."""
    both = {"tools": [FUNCTION, TIDES], "tool_choice": "required"}
    own = {"tools": [{"type": "web_search"}, {"type": "image_generation"}], "tool_choice": "required"}
    for body, several in (
        (both, False),
        (both | {"parallel_tool_calls": True}, True),
        (both | {"parallel_tool_calls": False}, False),
        (own | {"parallel_tool_calls": True}, True),
        (own | {"parallel_tool_calls": True, "max_tool_calls": 1}, False),
    ):
        output = wire.json(wire.reply(wire.ask("responses", **body)).script)["output"]
        assert (len([item for item in output if item["type"] != "message"]) == 2) == several


def test_provider_tools_are_called_when_forced_alone(wire: Any) -> None:
    """A provider's tool that is merely offered, or stands beside a function, is not called."""
    web = {"type": "web_search"}
    for body, setting in (
        ({"tools": [web]}, "forced"),
        ({"tools": [web], "tool_choice": "required"}, "never"),
        ({"tools": [web, FUNCTION], "tool_choice": "required"}, "forced"),
    ):
        output = wire.json(wire.reply(wire.ask("responses", **body), tool_calls=setting).script)["output"]
        assert [item["type"] for item in output] != ["web_search_call", "message"]
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]}
    request = wire.ask("responses", tools=[web, FUNCTION], tool_choice=allowed)
    output = wire.json(wire.reply(request).script)["output"]
    assert [item["type"] for item in output] == ["web_search_call", "message"]


def test_every_attempt_makes_a_response_of_its_own(wire: Any) -> None:
    """A retry says the same under another id."""
    first, second = (wire.reply(wire.ask("responses"), attempt=attempt) for attempt in (0, 1))
    assert first.truth_digest == second.truth_digest
    assert wire.json(first.script)["id"] != wire.json(second.script)["id"]
