"""Chat completions that are kept: list, get, update, delete, messages, by the real SDK in virtual time."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionDeleted

from tests.mock_server.api.conftest import Wire
from tests.mock_server.api.sdk_clients import async_sdk, in_process, no_extras, post, refusal, sdk, strict
from windtunnel.mock_server.api.paging import paging

USER: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "name": "ann", "content": [{"type": "text", "text": "Speak."}]},
]
REPEATED = {
    "request_id",
    "input_user",
    "seed",
    "top_p",
    "temperature",
    "presence_penalty",
    "frequency_penalty",
}


def keep(client: openai.OpenAI, **more: Any) -> Any:
    """One completion that is kept, once it is there."""
    return client.chat.completions.create(model="gpt-4.1", messages=USER, store=True, **more)


def test_a_kept_completion_is_what_was_answered() -> None:
    """What `store: true` keeps has the answer's choices and usage, the metadata, and repeats what was asked."""
    mock = in_process()
    with sdk(mock) as client:
        made = keep(client, metadata={"run": "7"}, temperature=0.5, user="ann", n=2)
        mock.advance(mock.now + 1)
        found = client.chat.completions.retrieve(made.id)
    assert (found.choices, found.usage, found.created) == (made.choices, made.usage, made.created)
    assert found.metadata == {"run": "7"}
    raw = found.model_extra or {}
    assert (raw["temperature"], raw["input_user"], raw["seed"]) == (0.5, "ann", None)
    assert raw["request_id"] == made._request_id
    ChatCompletion.model_validate_json(found.to_json(exclude_unset=True), strict=True)
    assert set(raw) == REPEATED | {"tools", "tool_choice", "response_format"}


def test_only_what_is_to_be_kept_is_kept() -> None:
    """Without `store` nothing is kept, and nobody sees another key's completions."""
    mock = in_process()
    with sdk(mock) as client, sdk(mock, "sk-other") as other:
        lost = client.chat.completions.create(model="gpt-4.1", messages=USER)
        made = keep(other)
        mock.advance(mock.now + 1)
        assert client.chat.completions.list().data == []
        for ident in (lost.id, made.id):
            with pytest.raises(openai.NotFoundError, match=f"Chat completion with id '{ident}' not found."):
                client.chat.completions.retrieve(ident)


def test_a_completion_is_there_once_it_is_complete() -> None:
    """While its answer is still being generated a kept completion is not to be seen; streamed ones are kept too."""
    mock = in_process()
    with sdk(mock) as client:
        stream = client.chat.completions.create(model="gpt-4.1", messages=USER, store=True, stream=True)
        chunk = next(iter(stream))
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.retrieve(chunk.id)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in [chunk, *stream])
        mock.advance(mock.now + 1)
        assert client.chat.completions.retrieve(chunk.id).choices[0].message.content == text


def test_lists_are_walked_page_by_page() -> None:
    """The SDK's pagination gives every completion once, in either order, by model and by metadata."""
    mock = in_process()
    with sdk(mock) as client:
        made = [keep(client, metadata={"run": str(at % 2)}).id for at in range(5)]
        client.chat.completions.create(model="gpt-4o", messages=USER, store=True)
        mock.advance(mock.now + 1)
        listed = client.chat.completions.list
        assert [one.id for one in listed(limit=2, model="gpt-4.1")] == made
        assert [one.id for one in listed(limit=2, model="gpt-4.1", order="desc")] == made[::-1]
        assert [one.id for one in listed(limit=1, metadata={"run": "1"})] == made[1::2]
        page = listed(limit=2, after=made[0])
        assert [one.id for one in page.data] == made[1:3]
        assert page.has_more
        assert page.model_extra == {"object": "list", "first_id": made[1], "last_id": made[2]}
        assert len(list(listed())) == 6


def test_metadata_changes_and_completions_go() -> None:
    """An update changes the metadata alone, a deleted completion is not found any more."""
    mock = in_process()
    with sdk(mock) as client:
        made = keep(client)
        mock.advance(mock.now + 1)
        assert client.chat.completions.update(made.id, metadata={"a": "b"}).metadata == {"a": "b"}
        found = client.chat.completions.retrieve(made.id)
        assert (found.metadata, found.choices) == ({"a": "b"}, made.choices)
        assert client.chat.completions.update(made.id, metadata=None).metadata == {}
        gone = strict(ChatCompletionDeleted, client.chat.completions.delete(made.id))
        assert (gone.id, gone.deleted) == (made.id, True)
        for call in (client.chat.completions.retrieve, client.chat.completions.delete):
            with pytest.raises(openai.NotFoundError):
                call(made.id)
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.update(made.id, metadata={})
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.messages.list(made.id)


def test_messages_are_those_of_the_request() -> None:
    """The messages that were sent are listed with ids; content in parts is `content_parts`."""
    mock = in_process()
    with sdk(mock) as client:
        made = keep(client)
        mock.advance(mock.now + 1)
        first, second = client.chat.completions.messages.list(made.id, limit=1)
        assert [first.id, second.id] == [f"{made.id}-0", f"{made.id}-1"]
        assert (first.role, first.content, first.content_parts) == ("system", "Be brief.", None)
        assert (second.content, second.content_parts[0].text) == (None, "Speak.")
        newest = client.chat.completions.messages.list(made.id, order="desc").data
        assert [message.id for message in newest] == [second.id, first.id]
        assert no_extras(first) == [".name"]
        with pytest.raises(openai.BadRequestError, match="Invalid value: 'up'"):
            client.chat.completions.messages.list(made.id, order="up")  # type: ignore[arg-type]  # what is refused


async def test_the_async_client_does_the_same() -> None:
    """Create, list, update, messages and delete work with the async client."""
    mock = in_process()
    async with async_sdk(mock) as client:
        made = await client.chat.completions.create(model="gpt-4.1", messages=USER, store=True)
        mock.advance(mock.now + 1)
        assert [one.id async for one in client.chat.completions.list(limit=1)] == [made.id]
        assert (await client.chat.completions.update(made.id, metadata={"a": "b"})).metadata == {"a": "b"}
        messages = [message.role async for message in client.chat.completions.messages.list(made.id)]
        assert messages == ["system", "user"]
        assert (await client.chat.completions.delete(made.id)).deleted


@pytest.mark.parametrize(
    ("query", "param", "code"),
    [
        ({"limit": "0"}, "limit", "integer_below_min_value"),
        ({"limit": "101"}, "limit", "integer_above_max_value"),
        ({"limit": "--5"}, "limit", "invalid_type"),
        ({"limit": "٣"}, "limit", "invalid_type"),
        ({"order": "up"}, "order", "invalid_value"),
    ],
)
def test_bad_queries_are_complaints(query: dict[str, str], param: str, code: str) -> None:
    """A limit or an order that is none is the API's 400."""
    problem: Any = paging(query, order="asc")
    assert (problem.status, problem.param, problem.code) == (400, param, code)


@pytest.mark.parametrize(
    ("body", "param"), [({}, "metadata"), ({"metadata": 1}, "metadata"), ({"metadata": {}, "n": 1}, "n")]
)
def test_an_update_is_metadata_alone(body: dict[str, Any], param: str) -> None:
    """An update without metadata, or with anything else, is refused."""
    status, error = refusal(post("/v1/chat/completions/chatcmpl-1", **body))
    assert (status, error["param"]) == (400, param)


def test_a_bad_query_is_answered_in_the_apis_form(wire: type[Wire]) -> None:
    """The complaint about a query reaches the client as an error."""
    request = wire.get("/v1/chat/completions?limit=no")
    answer = wire.reply(request)
    assert answer.script.status == 400
    assert wire.json(answer.script)["error"]["param"] == "limit"
