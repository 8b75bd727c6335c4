"""The real SDK against the answers, without a socket."""

from __future__ import annotations

from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel

from tests.mock_server.api.sdk_clients import async_sdk, in_process
from windtunnel.mock_server.api.embeddings.wire import vector_text
from windtunnel.mock_server.api.endpoint import Answer
from windtunnel.mock_server.api.truth import digest

USER: Any = [{"role": "user", "content": "Speak."}]


class Step(BaseModel):
    text: str
    weight: float | None


class Plan(BaseModel):
    """A structured output with nesting and recursion."""

    name: str
    kind: Literal["short", "long"]
    steps: list[Step]
    next: Plan | None


class Weather(BaseModel):
    """A tool's parameters."""

    city: str
    days: int


def chat_choice(choice: Any) -> Any:
    calls = [(call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()]
    return (choice.index, choice.message.content, choice.message.refusal, calls, choice.finish_reason)


def test_a_completion_arrives_as_meant(client: openai.OpenAI, answers: list[Answer]) -> None:
    """What the SDK gives the application has the truth's digest, for every choice."""
    completion = client.chat.completions.create(model="gpt-4.1-mini", messages=USER, n=2)
    assert digest([chat_choice(choice) for choice in completion.choices]) == answers[0].truth_digest
    assert completion.usage is not None
    assert completion.usage.completion_tokens == answers[0].tokens


def test_a_stream_arrives_as_meant(client: openai.OpenAI, answers: list[Answer]) -> None:
    """Deltas put together are the truth, with the usage at the end."""
    text, finish, usage = "", None, None
    with client.chat.completions.create(
        model="gpt-4.1-mini", messages=USER, stream=True, stream_options={"include_usage": True}
    ) as stream:
        for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
    assert digest([(0, text, None, [], finish)]) == answers[0].truth_digest
    assert usage is not None
    assert usage.completion_tokens == answers[0].tokens


def test_structured_outputs_parse(client: openai.OpenAI) -> None:
    """`.parse()` makes the application's own model of the answer, in either API."""
    for _ in range(10):
        parsed = client.chat.completions.parse(model="gpt-4.1", messages=USER, response_format=Plan)
        assert isinstance(parsed.choices[0].message.parsed, Plan)
        response = client.responses.parse(model="gpt-4.1", input="Speak.", text_format=Plan)
        assert isinstance(response.output_parsed, Plan)


def test_tools_parse(client: openai.OpenAI, answers: list[Answer]) -> None:
    """Tool calls arrive with arguments that make the tool's own model, in either API."""
    tool = openai.pydantic_function_tool(Weather)
    parsed = client.chat.completions.parse(model="gpt-4.1", messages=USER, tools=[tool])
    calls = parsed.choices[0].message.tool_calls
    assert calls
    assert isinstance(calls[0].function.parsed_arguments, Weather)
    assert digest([chat_choice(parsed.choices[0])]) == answers[0].truth_digest
    function: Any = {"type": "function", "strict": True, **tool["function"]}
    response = client.responses.parse(model="gpt-4.1", input="Speak.", tools=[function])
    item = response.output[0]
    assert item.type == "function_call"
    Weather.model_validate_json(item.arguments)
    assert digest([(0, response.output_text, None, [(item.name, item.arguments)], "tool_calls")]) == (
        answers[1].truth_digest
    )


def test_the_streaming_helpers_work(client: openai.OpenAI, answers: list[Answer]) -> None:
    """`.stream()` of both APIs accumulates to the truth, with text and with tools."""
    tool = openai.pydantic_function_tool(Weather)
    for tools in ([], [tool]):
        with client.chat.completions.stream(
            model="gpt-4.1", messages=USER, tools=tools or openai.NOT_GIVEN
        ) as stream:
            kinds = {event.type for event in stream}
            final = stream.get_final_completion()
        assert digest([chat_choice(final.choices[0])]) == answers[-1].truth_digest
        assert ("tool_calls.function.arguments.done" if tools else "content.done") in kinds
    with client.responses.stream(model="gpt-4.1", input="Speak.", text_format=Plan) as events:
        names = [event.type for event in events]
        response = events.get_final_response()
    assert isinstance(response.output_parsed, Plan)
    assert (names[0], names[-1]) == ("response.created", "response.completed")
    assert digest([(0, response.output_text, None, [], "stop")]) == answers[-1].truth_digest


def test_responses_stream_as_meant(client: openai.OpenAI, answers: list[Answer]) -> None:
    """The deltas of a streamed response are the text of the completed one."""
    text, completed = "", None
    with client.responses.create(model="gpt-4.1", input="Speak.", stream=True) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
            elif event.type == "response.completed":
                completed = event.response
    assert completed is not None
    assert completed.output_text == text
    assert digest([(0, text, None, [], "stop")]) == answers[0].truth_digest


def test_embeddings_arrive_as_meant(client: openai.OpenAI, answers: list[Answer]) -> None:
    """The SDK's own base64 and plain floats both give the vectors of the truth."""
    default = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    floats = client.embeddings.create(
        model="text-embedding-3-small", input=["a", "b"], encoding_format="float"
    )
    for answer, response in zip(answers, (default, floats), strict=True):
        rows: Any = [(item.index, vector_text(item.embedding), None, [], None) for item in response.data]
        assert digest(rows) == answer.truth_digest


def test_models_are_listed(client: openai.OpenAI) -> None:
    """The list of models can be walked, and one retrieved by name."""
    names = [model.id for model in client.models.list()]
    assert client.models.retrieve(names[0]).id == names[0]


def test_raw_responses_have_headers(client: openai.OpenAI) -> None:
    """Headers are there through `with_raw_response`, and the SDK finds the request id."""
    raw = client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=USER)
    assert raw.headers["openai-version"] == "2020-10-01"
    completion = raw.parse()
    assert completion._request_id == raw.headers["x-request-id"]


def test_errors_are_those_of_the_sdk(client: openai.OpenAI) -> None:
    """A refused request raises the SDK's own error with message, param and code."""
    bad: Any = [{"role": "bot", "content": "x"}]
    with pytest.raises(openai.BadRequestError, match="Invalid value: 'bot'") as caught:
        client.chat.completions.create(model="gpt-4.1", messages=bad)
    assert (caught.value.param, caught.value.code) == ("messages[0].role", "invalid_value")
    assert caught.value.request_id is not None
    with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'best'"):
        client.chat.completions.create(model="gpt-4.1", messages=USER, extra_body={"best": 1})
    with pytest.raises(openai.NotFoundError, match="Invalid URL"):
        client.post("/complete", cast_to=object)
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="gpt-4.1", messages=USER, response_format=Plan, max_tokens=3)


def test_responses_are_streamed_by_hand(client: openai.OpenAI, answers: list[Answer]) -> None:
    """`with_streaming_response` gives headers first and the body, lines or events later."""
    create = client.chat.completions.with_streaming_response.create
    with create(model="gpt-4.1", messages=USER) as response:
        assert response.headers["x-request-id"].startswith("req_")
        assert digest([chat_choice(response.parse().choices[0])]) == answers[-1].truth_digest
    with create(model="gpt-4.1", messages=USER, stream=True) as streamed:
        lines = [line for line in streamed.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"


def test_parallel_calls_and_sound_accumulate(client: openai.OpenAI, answers: list[Answer]) -> None:
    """`.stream()` puts several tool calls and spoken answers together as they were meant."""
    tools = [openai.pydantic_function_tool(Weather), openai.pydantic_function_tool(Step)]
    with client.chat.completions.stream(
        model="gpt-4.1", messages=USER, tools=tools, parallel_tool_calls=True
    ) as stream:
        final = stream.until_done().get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls
    assert {type(call.function.parsed_arguments) for call in calls} == {Weather, Step}
    assert digest([chat_choice(final.choices[0])]) == answers[-1].truth_digest
    with client.chat.completions.stream(
        model="gpt-audio",
        messages=USER,
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "pcm16"},
    ) as spoken:
        message = spoken.until_done().get_final_completion().choices[0].message
    assert message.audio is not None
    assert digest([(0, message.audio.transcript, None, [], "stop")]) == answers[-1].truth_digest


async def test_the_async_client_does_all_of_it() -> None:
    """Raw responses, streams, `.parse()` and the streaming helper work with the async client."""
    mock = in_process()
    async with async_sdk(mock) as client:
        create = client.chat.completions.with_raw_response.create
        raw = await create(model="gpt-4.1", messages=USER)
        assert raw.headers["openai-version"] == "2020-10-01"
        asked: Any = {
            "model": "gpt-4.1",
            "messages": USER,
            "extra_headers": {"x-windtunnel-call": "c1", "x-windtunnel-step": "0"},
        }
        text = (await client.chat.completions.create(**asked)).choices[0].message.content
        parts = [chunk async for chunk in await client.chat.completions.create(**asked, stream=True)]
        assert "".join(part.choices[0].delta.content or "" for part in parts) == text
        async with client.chat.completions.stream(**asked) as stream:
            assert (await stream.get_final_completion()).choices[0].message.content == text
        async with client.chat.completions.with_streaming_response.create(**asked) as response:
            assert (await response.parse()).choices[0].message.content == text
        parsed = await client.chat.completions.parse(model="gpt-4.1", messages=USER, response_format=Plan)
        assert isinstance(parsed.choices[0].message.parsed, Plan)
        assert len((await client.embeddings.create(model="m", input=["a", "b"])).data) == 2
        names = [model.id async for model in client.models.list()]
        assert (await client.models.retrieve(names[0])).id == names[0]
