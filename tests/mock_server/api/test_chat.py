"""Chat completions: their form, their text, their work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from windtunnel.mock_server.api.truth import digest
from windtunnel.mock_server.script import End, FirstToken, Head, Send, Tokens

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
FUNCTIONS = {"functions": [{"name": "f", "parameters": {}}], "function_call": {"name": "f"}}
JSON_OBJECT = {
    "response_format": {"type": "json_object"},
    "messages": [{"role": "user", "content": "Give me JSON"}],
}
OTHER = {"type": "function", "function": {"name": "clock", "parameters": {}}}
SPOKEN = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}}
PREDICTION = {"type": "content", "content": "It was a dark and stormy night; the rain fell in torrents. " * 2}
SHAPES: dict[str, dict[str, Any]] = {
    "prose": {},
    "choices": {"n": 3},
    "tool": {"tools": [TOOL], "tool_choice": "required"},
    "function": FUNCTIONS,
    "json": JSON_OBJECT,
    "cut": {"max_tokens": 5},
    "cut tool": {"tools": [TOOL], "tool_choice": "required", "max_completion_tokens": 2},
    "stopped": {"stop": ["e", " "]},
    "stopped choices": {"stop": "a", "n": 4},
    "several tools": {"tools": [TOOL, OTHER], "tool_choice": "required", "parallel_tool_calls": True},
    "one tool twice": {"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": True, "n": 2},
    "several tools cut": {
        **{"tools": [TOOL, OTHER], "tool_choice": "required", "parallel_tool_calls": True},
        "max_tokens": 9,
    },
    "logprobs": {"logprobs": True},
    "alternatives": {"logprobs": True, "top_logprobs": 20, "n": 2},
    "logprobs of json": {**JSON_OBJECT, "logprobs": True, "top_logprobs": 1},
    "spoken": {**SPOKEN, "n": 2},
    "reasoned": {"reasoning_effort": "high", "n": 2},
    "reasoned tool": {"reasoning_effort": "low", "tools": [TOOL], "tool_choice": "required"},
    "cut in its reasoning": {"reasoning_effort": "max", "max_completion_tokens": 20},
    "predicted": {"prediction": PREDICTION},
    "predicted and cut": {"prediction": PREDICTION, "max_completion_tokens": 7},
    "moderated": {"moderation": {"model": "omni-moderation-latest"}, "n": 2},
    "priority": {"service_tier": "fast"},
    "brief": {"verbosity": "low", "seed": 3, "store": True, "metadata": {"a": "b"}, "user": "me"},
}


def no_extras(value: Any) -> None:
    """Fails if the SDK's types do not know a field."""
    for inner in value if isinstance(value, list) else [value]:
        if hasattr(inner, "model_extra"):
            assert not inner.model_extra, inner.model_extra
            for name in type(inner).model_fields:
                no_extras(getattr(inner, name))


def received(events: list[tuple[str | None, Any]]) -> list[tuple[Any, ...]]:
    """What an application reads from a stream: the choices that the truth is a digest of."""
    texts: dict[int, str] = {}
    calls: dict[int, dict[int, list[str]]] = {}
    finish: dict[int, str] = {}
    for _, data in events:
        for choice in data["choices"] if data != "[DONE]" else ():
            index, delta = choice["index"], choice["delta"]
            said = delta.get("content") or delta.get("audio", {}).get("transcript")
            if said:
                texts[index] = texts.get(index, "") + said
            called = [(call["index"], call["function"]) for call in delta.get("tool_calls", ())]
            if "function_call" in delta:
                called.append((0, delta["function_call"]))
            for at, part in called:
                call = calls.setdefault(index, {}).setdefault(at, [part.get("name", ""), ""])
                call[1] += part["arguments"]
            if choice["finish_reason"]:
                finish[index] = choice["finish_reason"]
    return [
        (
            index,
            texts.get(index),
            None,
            [tuple(call) for call in calls.get(index, {}).values()],
            finish[index],
        )
        for index in sorted(finish)
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_whole_answers_satisfy_the_sdks_types(wire: Any, shape: str) -> None:
    """Every non-streamed answer validates strictly against the SDK's own type, without unknown fields."""
    answer = wire.reply(wire.ask("chat", **SHAPES[shape]))
    completion = ChatCompletion.model_validate_json(wire.bytes(answer.script), strict=True)
    no_extras(completion)
    assert completion.usage is not None
    assert completion.usage.completion_tokens == answer.tokens == wire.work(answer.script)
    assert completion.choices[0].finish_reason == answer.finish_reason


@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_streams_satisfy_the_sdks_types_event_by_event(wire: Any, shape: str, usage: bool) -> None:
    """Every chunk validates strictly, usage comes last and only if asked for, and `[DONE]` ends the stream."""
    asked = {**SHAPES[shape], "stream": True, "stream_options": {"include_usage": True} if usage else None}
    answer = wire.reply(wire.ask("chat", **asked))
    *events, (_, last) = wire.events(answer.script)
    assert last == "[DONE]"
    chunks = [ChatCompletionChunk.model_validate(data, strict=True) for _, data in events]
    no_extras(chunks)
    assert wire.work(answer.script) == answer.tokens
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [usage]
    if usage:
        assert chunks[-1].choices == []
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.completion_tokens == answer.tokens
        assert all("usage" in data for _, data in events)
    else:
        assert not any("usage" in data for _, data in events)


@pytest.mark.parametrize("shape", SHAPES)
def test_streamed_and_whole_answers_mean_the_same(wire: Any, shape: str) -> None:
    """The same call has the same truth streamed or not, and it is what an application reads."""
    whole = wire.reply(wire.ask("chat", **SHAPES[shape]))
    streamed = wire.reply(wire.ask("chat", **SHAPES[shape], stream=True))
    assert whole.truth_digest == streamed.truth_digest == digest(received(wire.events(streamed.script)))


def test_every_attempt_of_a_call_gets_the_same_answer(wire: Any) -> None:
    """The draw key alone decides what is said; another attempt differs in its request id only."""
    request = wire.ask("chat", stream=True)
    first, again = wire.reply(request), wire.reply(request, attempt=1)
    assert wire.bytes(first.script) == wire.bytes(again.script)
    assert (
        dict(first.script.steps[0].headers)["x-request-id"]
        != dict(again.script.steps[0].headers)["x-request-id"]
    )
    assert first.script == wire.reply(request).script
    for other in ({"seed": 8}, {"call_key": "c2"}):
        assert wire.reply(request, **other).truth_digest != first.truth_digest


def test_a_stream_has_the_promised_steps(wire: Any) -> None:
    """Head, first token with role and content, then work before each chunk, finish, `[DONE]`, end."""
    answer = wire.reply(wire.ask("chat", stream=True), tokens=10, tokens_per_chunk=4)
    kinds = [type(step) for step in answer.script.steps]
    assert kinds == [Head, FirstToken, Send, Tokens, Send, Tokens, Send, Tokens, Send, Send, Send, End]
    sends = [step for step in answer.script.steps if isinstance(step, Send)]
    assert [send.tokens for send in sends] == [1, 4, 4, 1, 0, 0]
    assert [send.role for send in sends] == ["content"] * 4 + ["body", "terminal"]
    assert answer.script.steps[0].framing == "chunked"


def test_a_whole_answer_has_the_promised_steps(wire: Any) -> None:
    """The head goes out with the slot, the body when the last token is there."""
    steps = wire.reply(wire.ask("chat"), tokens=10).script.steps
    assert [type(step) for step in steps] == [Head, FirstToken, Tokens, Send, End]
    assert (steps[2].n, steps[3].tokens, steps[3].role) == (9, 10, "terminal")
    assert [type(step) for step in wire.reply(wire.ask("chat"), tokens=1).script.steps] == [
        Head,
        FirstToken,
        Send,
        End,
    ]


@given(tokens=st.integers(1, 90), limit=st.integers(1, 90), chunk=st.integers(1, 9), n=st.integers(1, 4))
def test_max_tokens_cuts_and_changes_nothing(wire: Any, tokens: int, limit: int, chunk: int, n: int) -> None:
    """An answer cut by `max_tokens` is the beginning of the uncut one, and says `length`."""
    free = wire.json(wire.reply(wire.ask("chat", n=n), tokens=tokens).script)
    request = wire.ask("chat", n=n, max_tokens=limit, stream=True)
    cut = wire.reply(request, tokens=tokens, tokens_per_chunk=chunk)
    assert cut.tokens == wire.work(cut.script) == n * min(tokens, limit)
    choices = received(wire.events(cut.script))
    assert len(choices) == n
    for choice, whole in zip(choices, free["choices"], strict=True):
        text = whole["message"]["content"]
        assert len(text) == 4 * tokens
        assert choice[1] == text[: 4 * limit]
        assert choice[4] == ("length" if tokens > limit else "stop")


def test_an_answer_ends_before_its_stop_sequence(wire: Any) -> None:
    """The text is cut before the earliest stop sequence, at whatever character."""
    text = wire.json(wire.reply(wire.ask("chat")).script)["choices"][0]["message"]["content"]
    stop = text[13:18]
    answer = wire.reply(wire.ask("chat", stop=["never there", stop]))
    choice = wire.json(answer.script)["choices"][0]
    assert choice["message"]["content"] == text[: text.index(stop)]
    assert choice["finish_reason"] == "stop"
    assert answer.tokens < 30


def test_prompts_are_counted_by_characters(wire: Any) -> None:
    """A token of the prompt is four characters of a text, rounded up; pictures have a fixed price."""
    parts = [{"type": "text", "text": "x" * 9}, {"type": "image_url", "image_url": {"url": "data:x"}}]
    messages = [{"role": "system", "content": "é" * 8}, {"role": "user", "content": parts}]
    assert wire.ask("chat", messages=messages).prompt_tokens == 2 + 3 + 85


def test_any_name_of_a_model_survives_the_wire(wire: Any) -> None:
    """A model's name is echoed exactly, whatever characters it has."""
    name = 'ft:"gpt"\\ü\n'
    for stream in (True, False):
        answer = wire.reply(wire.ask("chat", model=name, stream=stream))
        data = wire.events(answer.script)[0][1] if stream else wire.json(answer.script)
        assert data["model"] == name
