"""What the optional parameters of chat completions make of the answer, and which of them are refused."""

from __future__ import annotations

import base64
import io
import math
import typing
import wave
from typing import Any

import pytest
from openai.types import CompletionCreateParams as LegacyParams
from openai.types import EmbeddingCreateParams
from openai.types.chat import ChatCompletion, completion_create_params

from tests.mock_server.api.sdk_clients import refusal, strict
from windtunnel.mock_server.api.chat.audio import SpokenAudio
from windtunnel.mock_server.api.chat.checks import FIELDS
from windtunnel.mock_server.api.chat.option_checks import SOUNDS
from windtunnel.mock_server.api.completions.checks import FIELDS as LEGACY_FIELDS
from windtunnel.mock_server.api.embeddings.checks import FIELDS as EMBEDDING_FIELDS

TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
CUSTOM = {"type": "custom", "custom": {"name": "shell"}}
SPOKEN = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}


def whole(wire: Any, **body: Any) -> Any:
    """The answer in one piece, as the SDK's own type."""
    return strict(ChatCompletion, wire.bytes(wire.reply(wire.ask("chat", **body)).script))


def chunks(wire: Any, **body: Any) -> list[Any]:
    """The chunks of the answer as JSON."""
    return [
        data
        for _, data in wire.events(wire.reply(wire.ask("chat", stream=True, **body)).script)
        if data != "[DONE]"
    ]


@pytest.mark.parametrize(
    ("fields", "params"),
    [
        (FIELDS, completion_create_params.CompletionCreateParamsNonStreaming),
        (LEGACY_FIELDS, typing.get_args(LegacyParams)[0]),
        (EMBEDDING_FIELDS, EmbeddingCreateParams),
    ],
)
def test_every_parameter_of_the_sdk_is_known(fields: dict[str, Any], params: Any) -> None:
    """The fields that an endpoint takes are those that the SDK can send, and no others."""
    assert set(fields) == set(params.__annotations__)


def test_logprobs_are_the_same_streamed_or_not(wire: Any) -> None:
    """Every token has its log probability and bytes, best alternatives first; a stream's pieces add up."""
    asked = {"logprobs": True, "top_logprobs": 3}
    choice = whole(wire, **asked).choices[0]
    rows = choice.logprobs.content
    assert "".join(row.token for row in rows) == choice.message.content
    for row in rows:
        assert bytes(row.bytes).decode() == row.token
        values = [other.logprob for other in row.top_logprobs]
        assert values == sorted(values, reverse=True)
        assert len(values) == 3
        assert row.top_logprobs[0].token == row.token
        assert sum(math.exp(value) for value in values) <= 1
    pieces = [chunk["choices"][0]["logprobs"] for chunk in chunks(wire, **asked)]
    streamed = [row for piece in pieces if piece for row in piece["content"]]
    assert [row["logprob"] for row in streamed] == [row.logprob for row in rows]


def test_alternatives_do_not_move_the_logprobs(wire: Any) -> None:
    """Without `top_logprobs` the same numbers come, without alternatives."""
    plain = whole(wire, logprobs=True).choices[0].logprobs.content
    more = whole(wire, logprobs=True, top_logprobs=5).choices[0].logprobs.content
    assert [row.logprob for row in plain] == [row.logprob for row in more]
    assert all(row.top_logprobs == [] for row in plain)


def test_several_calls_come_only_where_they_are_asked_for(wire: Any) -> None:
    """`parallel_tool_calls: true` calls every tool once, each call with an id and an index of its own."""
    tools = [TOOL, {"type": "function", "function": {"name": "g"}}, CUSTOM]
    asked = {"tools": tools, "tool_choice": "required"}
    calls = whole(wire, **asked, parallel_tool_calls=True).choices[0].message.tool_calls
    assert len(calls) == len({call.id for call in calls}) == 3
    for other in ({}, {"parallel_tool_calls": False}):
        assert len(whole(wire, **asked, **other).choices[0].message.tool_calls) == 1
    named = {"type": "function", "function": {"name": "g"}}
    forced = whole(wire, tools=tools, tool_choice=named, parallel_tool_calls=True)
    assert [call.function.name for call in forced.choices[0].message.tool_calls] == ["g"]


def test_custom_tools_stream_their_input(wire: Any) -> None:
    """A custom tool's call streams as `custom.input`, which the API sends and the SDK's chunk type lacks."""
    asked = {"tools": [CUSTOM], "tool_choice": "required"}
    call = whole(wire, **asked).choices[0].message.tool_calls[0]
    deltas = [chunk["choices"][0]["delta"].get("tool_calls", [{}])[0] for chunk in chunks(wire, **asked)]
    assert "".join(delta.get("custom", {}).get("input", "") for delta in deltas) == call.custom.input
    assert (deltas[0]["id"], deltas[0]["type"], deltas[0]["custom"]["name"]) == (call.id, "custom", "shell")


@pytest.mark.parametrize("form", SOUNDS)
def test_spoken_answers_have_sound_in_every_format(wire: Any, form: str) -> None:
    """A spoken answer has a transcript and data in place of content, and counts the spoken tokens."""
    completion = whole(wire, **{**SPOKEN, "audio": {"voice": {"id": "voice_1"}, "format": form}})
    message = completion.choices[0].message
    assert message.content is None
    assert len(base64.b64decode(message.audio.data, validate=True)) > 80
    assert message.audio.transcript
    assert message.audio.expires_at > completion.created
    details = completion.usage.completion_tokens_details
    assert 0 < details.audio_tokens < completion.usage.completion_tokens


def test_sound_is_what_its_format_says(wire: Any) -> None:
    """A WAV file opens as one: 16 bits, one channel, 24,000 samples a second."""
    data = whole(wire, **SPOKEN).choices[0].message.audio.data
    with wave.open(io.BytesIO(base64.b64decode(data))) as file:
        assert (file.getsampwidth(), file.getnchannels(), file.getframerate()) == (2, 1, 24_000)
        assert file.getnframes() > 0


def test_streamed_sound_adds_up(wire: Any) -> None:
    """An id first, transcript and base64 pieces that can be put together as text, the expiry last."""
    asked = {**SPOKEN, "audio": {"voice": "alloy", "format": "pcm16"}}
    deltas = [chunk["choices"][0]["delta"].get("audio", {}) for chunk in chunks(wire, **asked)]
    message = whole(wire, **asked).choices[0].message
    assert deltas[0]["id"] == message.audio.id
    assert "".join(delta.get("transcript", "") for delta in deltas) == message.audio.transcript
    joined = "".join(delta.get("data", "") for delta in deltas)
    assert len(base64.b64decode(joined, validate=True)) == 480 * 30
    assert deltas[-2] == {"expires_at": SpokenAudio("pcm16", 1_700_000_000).expires_at}


def test_reasoning_is_worked_on_and_not_seen(wire: Any) -> None:
    """More effort is more hidden tokens before the first visible one; `none` has none."""
    counts = []
    for effort in ("none", "minimal", "low", "medium", "high", "xhigh", "max"):
        completion = whole(wire, reasoning_effort=effort)
        counts.append(completion.usage.completion_tokens_details.reasoning_tokens)
        assert completion.usage.completion_tokens == counts[-1] + 30
    assert counts[0] == 0
    assert counts == sorted(set(counts))
    script = wire.reply(wire.ask("chat", reasoning_effort="high", stream=True)).script
    assert (script.steps[2].n, script.steps[3].role) == (counts[4], "content")


def test_reasoning_can_use_up_the_limit(wire: Any) -> None:
    """Where the limit ends the reasoning there is no content, finish_reason `length` and every token is hidden."""
    completion = whole(wire, reasoning_effort="max", max_completion_tokens=20)
    assert (completion.choices[0].message.content, completion.choices[0].finish_reason) == ("", "length")
    assert completion.usage.completion_tokens_details.reasoning_tokens == 20


@pytest.mark.parametrize(
    "content", ["Once upon a time " * 6, [{"type": "text", "text": "Once upon a time " * 6}]]
)
def test_predictions_are_counted(wire: Any, content: Any) -> None:
    """The answer begins as predicted; what was not used is billed and told apart."""
    completion = whole(wire, prediction={"type": "content", "content": content})
    details = completion.usage.completion_tokens_details
    offered = -(-len("Once upon a time " * 6) // 4)
    assert details.accepted_prediction_tokens + details.rejected_prediction_tokens == offered
    begun = completion.choices[0].message.content[: 4 * details.accepted_prediction_tokens]
    assert ("Once upon a time " * 6).startswith(begun.rstrip())
    assert completion.usage.completion_tokens == 30 + details.rejected_prediction_tokens


def test_a_web_search_is_cited(wire: Any) -> None:
    """The text has a link, the annotation says where; a stream brings the annotations before its end."""
    asked = {"web_search_options": {"search_context_size": "low"}}
    message = whole(wire, **asked).choices[0].message
    (found,) = message.annotations
    cited = message.content[found.url_citation.start_index : found.url_citation.end_index]
    assert found.url_citation.url in cited
    assert cited.startswith("([")
    annotated = [chunk["choices"][0]["delta"].get("annotations") for chunk in chunks(wire, **asked)]
    assert annotated[-2] == [found.model_dump()]
    assert not any(annotated[:-2])


def test_moderated_answers_say_so(wire: Any) -> None:
    """Input and every choice have results by the model asked for; in a stream they are a chunk of their own."""
    asked = {"moderation": {"model": "omni-moderation-latest"}, "n": 2}
    moderation = whole(wire, **asked).moderation
    assert [len(side.results) for side in (moderation.input, moderation.output)] == [1, 2]
    assert moderation.output.results[0].model == "omni-moderation-latest"
    last = chunks(wire, **asked)[-1]
    assert last["choices"] == []
    assert last["moderation"] == moderation.model_dump(exclude_unset=True)


def test_streams_are_padded_unless_told_not_to(wire: Any) -> None:
    """Content and obfuscation together are always a multiple of 16 characters; the option leaves it out."""
    padded = chunks(wire, stream_options={"include_usage": True})
    for chunk in padded:
        content = "".join(choice["delta"].get("content", "") for choice in chunk["choices"])
        assert (len(content) + len(chunk["obfuscation"])) % 16 == 0
        assert chunk["obfuscation"]
    plain = chunks(wire, stream_options={"include_usage": True, "include_obfuscation": False})
    assert not any("obfuscation" in chunk for chunk in plain)
    assert [chunk["choices"] for chunk in plain] == [chunk["choices"] for chunk in padded]


@pytest.mark.parametrize(
    ("asked", "served"), [(None, "default"), ("auto", "default"), ("flex", "flex"), ("fast", "priority")]
)
def test_the_tier_that_serves_is_stated(wire: Any, asked: str | None, served: str) -> None:
    """The answer names the tier that it was served in, whole or streamed."""
    assert whole(wire, service_tier=asked).service_tier == served
    assert {chunk["service_tier"] for chunk in chunks(wire, service_tier=asked)} == {served}


def test_verbosity_is_length(wire: Any) -> None:
    """Low verbosity is half as long as usual, high twice."""
    lengths = [whole(wire, verbosity=level).usage.completion_tokens for level in ("low", "medium", "high")]
    assert lengths == [15, 30, 60]


REFUSED: list[tuple[dict[str, Any], str | None, str | None]] = [
    ({"temprature": 1}, "temprature", "unknown_parameter"),
    ({"top_logprobs": 2}, "top_logprobs", None),
    ({"logprobs": 1}, "logprobs", "invalid_type"),
    ({"modalities": []}, "modalities", "empty_array"),
    ({"modalities": ["smell"]}, "modalities[0]", "invalid_value"),
    ({"modalities": "audio"}, "modalities", "invalid_type"),
    ({"modalities": ["text", "audio"]}, "audio", "missing_required_parameter"),
    ({"audio": 1}, "audio", "invalid_type"),
    ({"audio": {"format": "wav"}}, "audio.voice", "missing_required_parameter"),
    ({"audio": {"format": "midi", "voice": "alloy"}}, "audio.format", "invalid_value"),
    ({"audio": {"format": "wav", "voice": 1}}, "audio.voice", "invalid_type"),
    ({**SPOKEN, "stream": True}, "audio.format", "unsupported_value"),
    ({"prediction": 1}, "prediction", "invalid_type"),
    ({"prediction": {"type": "text"}}, "prediction.type", "invalid_value"),
    ({"prediction": {"type": "content"}}, "prediction.content", "invalid_type"),
    ({"prediction": {"type": "content", "content": [1]}}, "prediction.content[0].text", None),
    ({"web_search_options": []}, "web_search_options", "invalid_type"),
    ({"web_search_options": {"depth": 1}}, "web_search_options.depth", "unknown_parameter"),
    ({"web_search_options": {"search_context_size": 1}}, None, "invalid_value"),
    ({"web_search_options": {"user_location": 1}}, "web_search_options.user_location", "invalid_type"),
    ({"moderation": 1}, "moderation", "invalid_type"),
    ({"moderation": {}}, "moderation.model", "missing_required_parameter"),
    ({"moderation": {"model": "m", "policy": 1}}, "moderation.policy", "invalid_type"),
    ({"moderation": {"model": "m", "policy": {"input": {}}}}, "moderation.policy.input.mode", None),
    ({"reasoning_effort": "hard"}, "reasoning_effort", "invalid_value"),
    ({"verbosity": "silent"}, "verbosity", "invalid_value"),
    ({"logit_bias": {"50256": 101}}, "logit_bias", None),
    ({"logit_bias": []}, "logit_bias", "invalid_type"),
    ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
    ({"metadata": {"a": "x" * 513}}, "metadata.a", "string_above_max_length"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "object_above_max_properties"),
    ({"parallel_tool_calls": True}, "parallel_tool_calls", None),
    ({"stream": True, "stream_options": {"usage": True}}, "stream_options.usage", "unknown_parameter"),
    ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage", None),
    (
        {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
        "messages[0].content[0].type",
        "invalid_value",
    ),
]


@pytest.mark.parametrize(("body", "param", "code"), REFUSED)
def test_bad_options_are_refused(
    wire: Any, body: dict[str, Any], param: str | None, code: str | None
) -> None:
    """Each bad option is a 400 that names the field."""
    status, error = refusal(wire.ask("chat", **body))
    assert status == 400
    assert param in (None, error["param"])
    assert code in (None, error["code"])
