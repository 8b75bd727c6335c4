"""Responses and conversations through the real SDK, sync and async, on an engine in virtual time."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.mock_server.api.sdk_clients import async_sdk, in_process, sdk
from windtunnel.mock_server.api.truth import digest

ASK: dict[str, Any] = {"model": "gpt-4.1", "input": "Speak."}
SLOW = {"first_token": "1s", "tokens": 21, "tokens_per_second": 10.0, "tokens_per_chunk": 4}


class Weather(BaseModel):
    """A structured output."""

    city: str
    days: int


def truth_of(response: Any) -> str:
    """The digest of a response as its client has it."""
    calls = [(item.name, item.arguments) for item in response.output if item.type == "function_call"]
    finish = {"completed": "tool_calls" if calls else "stop", "incomplete": "length"}[response.status]
    return digest([(0, response.output_text, None, calls, finish)])


def test_a_response_through_its_life() -> None:
    """Create, retrieve, list its input, count, go on, delete: all of it works and agrees."""
    mock = in_process()
    with sdk(mock) as client:
        first = client.responses.create(**ASK)
        assert truth_of(first) == mock.tickets[0].truth_digest
        assert client.responses.retrieve(first.id) == first
        second = client.responses.create(**ASK, previous_response_id=first.id)
        assert second.usage is not None
        assert (
            second.usage.input_tokens
            == mock.tickets[-1].prompt_tokens
            == mock.tickets[-1].prompt_tokens_billed
        )
        items = list(client.responses.input_items.list(second.id, limit=1, order="asc"))
        assert len(items) == 3
        counted = client.responses.input_tokens.count(previous_response_id=second.id, **ASK)
        assert counted.input_tokens == second.usage.total_tokens + 2
        compacted = client.responses.compact(model="gpt-4.1", previous_response_id=second.id)
        assert compacted.output[0].type == "compaction"
        assert client.responses.delete(first.id) is None  # type: ignore[func-returns-value]  # that it is None is the promise
        with pytest.raises(openai.NotFoundError, match="not found"):
            client.responses.retrieve(first.id)
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(**ASK, previous_response_id=first.id)
        assert caught.value.code == "previous_response_not_found"
    assert mock.tickets[-1].state == "refused"


async def test_a_response_through_its_life_async() -> None:
    """The async client does the same."""
    async with async_sdk(in_process()) as client:
        first = await client.responses.create(**ASK)
        assert await client.responses.retrieve(first.id) == first
        second = await client.responses.create(**ASK, previous_response_id=first.id)
        items = [item async for item in client.responses.input_items.list(second.id, limit=1)]
        assert len(items) == 3
        await client.responses.input_tokens.count(**ASK)
        await client.responses.compact(**ASK)
        await client.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            await client.responses.delete(first.id)


def test_background_is_polled() -> None:
    """A background response is answered at once, holds a slot, and is completed when its work is done."""
    mock = in_process(answer=SLOW, capacity={"slots": 1, "queue": 9})
    with sdk(mock) as client:
        first = client.responses.create(**ASK, background=True)
        second = client.responses.create(**ASK, background=True)
        assert (first.status, second.status, mock.now) == ("queued", "queued", 0.0)
        seen = []
        for _ in range(6):
            states = [client.responses.retrieve(one.id).status for one in (first, second)]
            seen.append(tuple(states))
            mock.advance(mock.now + 1.5)
        working, waiting, done = "in_progress", "queued", "completed"
        assert seen[0] == (working, waiting)
        assert (done, working) in seen
        assert seen[-1] == (done, done)
        found = client.responses.retrieve(first.id)
        assert found.completed_at is not None
        assert found.completed_at - found.created_at == 3
        assert truth_of(found) == mock.tickets[0].truth_digest


def test_a_cancel_frees_the_slot() -> None:
    """A cancelled response stops, and what waited for its slot starts."""
    mock = in_process(answer=SLOW, capacity={"slots": 1, "queue": 9})
    with sdk(mock) as client:
        first = client.responses.create(**ASK, background=True)
        second = client.responses.create(**ASK, background=True)
        assert client.responses.cancel(first.id).status == "cancelled"
        assert client.responses.retrieve(first.id).status == "cancelled"
        assert client.responses.retrieve(second.id).status == "in_progress"
        client.responses.delete(first.id)


def test_a_stream_is_left_and_resumed() -> None:
    """Who leaves a background stream finds the rest of it later: at once what is due, then the others in time."""
    mock = in_process(answer=SLOW)
    with sdk(mock) as client:
        events: list[Any] = []
        with client.responses.create(**ASK, background=True, stream=True) as stream:
            for event in stream:
                events.append(event)
                if event.type == "response.output_text.delta":
                    break
        left_at = mock.now
        ident, number = events[0].response.id, events[-1].sequence_number
        with client.responses.retrieve(ident, stream=True, starting_after=number) as rest:
            events += list(rest)
        assert mock.now > left_at
        assert [event.sequence_number for event in events] == list(range(len(events)))
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        over = events[-1].response
        assert (text, over.status) == (over.output_text, "completed")
        assert client.responses.retrieve(ident) == over
        assert not mock.tickets[0].abandoned
        with client.responses.stream(response_id=ident, starting_after=number) as again:
            assert [event.sequence_number for event in again] == [
                event.sequence_number for event in events[number + 1 :]
            ]
            assert again.get_final_response().output_text == text


async def test_a_stream_is_resumed_async() -> None:
    """The async client resumes as well."""
    async with async_sdk(in_process()) as client:
        async with await client.responses.create(**ASK, background=True, stream=True) as stream:
            events = [event async for event in stream]
        ident = events[0].response.id
        async with await client.responses.retrieve(ident, stream=True, starting_after=3) as rest:
            assert [event async for event in rest] == events[4:]
        async with client.responses.stream(response_id=ident) as again:
            assert (await again.get_final_response()).output_text == events[-1].response.output_text


def test_the_helpers_work() -> None:
    """`.stream()`, `.parse()`, raw and streaming responses give what the server meant."""
    mock = in_process()
    tool: Any = {"type": "function", **openai.pydantic_function_tool(Weather)["function"]}
    with sdk(mock) as client:
        with client.responses.stream(**ASK, reasoning={"effort": "low", "summary": "auto"}) as stream:
            kinds = {event.type for event in stream}
            final = stream.get_final_response()
        assert "response.reasoning_summary_text.delta" in kinds
        assert truth_of(final) == mock.tickets[-1].truth_digest
        with client.responses.stream(
            **ASK, tools=[tool], tool_choice="required", parallel_tool_calls=True
        ) as stream:
            final = stream.get_final_response()
        assert [item.type for item in final.output] == ["function_call", "function_call"]
        assert truth_of(final) == mock.tickets[-1].truth_digest
        parsed = client.responses.parse(**ASK, text_format=Weather)
        assert isinstance(parsed.output_parsed, Weather)
        raw = client.responses.with_raw_response.create(**ASK)
        assert raw.headers["x-request-id"].startswith("req_")
        assert raw.parse().output_text
        with client.responses.with_streaming_response.create(**ASK) as response:
            assert response.parse().output_text


async def test_the_helpers_work_async() -> None:
    """The same for the async client."""
    async with async_sdk(in_process()) as client:
        async with client.responses.stream(**ASK) as stream:
            final = await stream.get_final_response()
        assert final.output_text
        assert isinstance((await client.responses.parse(**ASK, text_format=Weather)).output_parsed, Weather)
        raw = await client.responses.with_raw_response.create(**ASK)
        assert raw.parse().output_text
        async with client.responses.with_streaming_response.create(**ASK) as response:
            assert (await response.parse()).output_text


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "image_generation", "partial_images": 1},
        {"type": "mcp", "server_label": "docs", "server_url": "https://x.test", "require_approval": "never"},
    ],
)
def test_the_stream_helper_follows_the_providers_tools(tool: Any) -> None:
    """Calls of the provider's own tools accumulate to the response that ends the stream."""
    with sdk(in_process()) as client:
        with client.responses.stream(**ASK, tools=[tool], tool_choice="required") as stream:
            done: list[Any] = [event.item for event in stream if event.type == "response.output_item.done"]
            final = stream.get_final_response()
        output: list[Any] = list(final.output)
        assert [item.id for item in done] == [item.id for item in output]
        assert final.output_text


def test_conversations_work() -> None:
    """Make one, talk in it, read it page by page, change it, take an item out, delete it."""
    with sdk(in_process()) as client:
        made = client.conversations.create(items=[{"role": "user", "content": "Hi"}], metadata={"a": "b"})
        assert client.conversations.retrieve(made.id) == made
        assert client.conversations.update(made.id, metadata={"c": "d"}).metadata == {"c": "d"}
        response = client.responses.create(**ASK, conversation=made.id)
        assert response.conversation is not None
        assert response.conversation.id == made.id
        added = client.conversations.items.create(made.id, items=[{"role": "user", "content": "And?"}])
        items: list[Any] = list(client.conversations.items.list(made.id, limit=1, order="asc"))
        assert [item.role for item in items] == ["user", "user", "assistant", "user"]
        assert items[2].id == response.output[0].id
        assert items[3] == added.data[0]
        assert client.conversations.items.retrieve(items[0].id, conversation_id=made.id) == items[0]
        client.conversations.items.delete(items[0].id, conversation_id=made.id)
        assert len(list(client.conversations.items.list(made.id))) == 3
        assert client.conversations.delete(made.id).deleted
        with pytest.raises(openai.NotFoundError, match="Conversation with id"):
            client.responses.create(**ASK, conversation=made.id)


async def test_conversations_work_async() -> None:
    """The async client does the same."""
    async with async_sdk(in_process()) as client:
        made = await client.conversations.create()
        await client.responses.create(**ASK, conversation={"id": made.id})
        items = [item async for item in client.conversations.items.list(made.id, limit=1)]
        assert [item.role for item in items] == ["assistant", "user"]
        await client.conversations.items.create(made.id, items=[{"role": "user", "content": "And?"}])
        await client.conversations.items.delete(items[0].id, conversation_id=made.id)
        await client.conversations.update(made.id, metadata=None)
        assert (await client.conversations.delete(made.id)).deleted
