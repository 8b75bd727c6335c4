"""Conversations: what they hold, what responses add to them, and what is refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItem
from openai.types.conversations.conversation_item_list import ConversationItemList
from pydantic import BaseModel, TypeAdapter

from tests.mock_server.api.responses_bodies import Api, ManualHandle, json_of, no_extras
from tests.mock_server.api.test_responses import SHAPES
from tests.mock_server.api.test_stored_responses import ITEMS
from windtunnel.mock_server.api.conversations import state as conversations

USER = {"role": "user", "content": "12345678"}
ITEM: TypeAdapter[Any] = TypeAdapter(ConversationItem)
UNTYPED = ("custom_tool_call", "custom_tool_call_output")
"""Items whose status the SDK's type leaves out in conversations, and has in responses."""


def valid(model: type[BaseModel], value: Any) -> Any:
    """An answer as the SDK's type, validated strictly."""
    found = model.model_validate_json(orjson.dumps(value), strict=True)
    for item in getattr(found, "data", [found]):
        if getattr(item, "type", None) not in UNTYPED:
            no_extras(item)
    return found


def begin(api: Api, **body: Any) -> str:
    """The path of a new conversation."""
    return f"/v1/conversations/{json_of(api.do('POST', '/v1/conversations', body).script)['id']}"


def items_of(api: Api, path: str) -> list[dict[str, Any]]:
    """All the items, oldest first."""
    page = api.get(f"{path}/items?order=asc&limit=100")
    valid(ConversationItemList, page)
    return list(page["data"])


def test_a_conversation_lives() -> None:
    """It is made (with nothing at all, if need be), seen, changed and deleted, and then it does not exist."""
    api = Api()
    made = valid(Conversation, json_of(api.do("POST", "/v1/conversations").script))
    assert (made.metadata, made.created_at) == ({}, 1_700_000_020)
    path = f"/v1/conversations/{made.id}"
    assert api.get(path) == made.to_dict()
    for metadata in ({"a": "b"}, None):
        changed = valid(Conversation, json_of(api.do("POST", path, {"metadata": metadata}).script))
        assert changed.metadata == api.get(path)["metadata"] == (metadata or {})
    deleted = valid(ConversationDeletedResource, json_of(api.do("DELETE", path).script))
    assert (deleted.id, deleted.deleted) == (made.id, True)
    for method, rest, body in (
        ("GET", "", None),
        ("POST", "", {"metadata": {}}),
        ("DELETE", "", None),
        ("GET", "/items", None),
        ("POST", "/items", {"items": [USER]}),
        ("GET", "/items/msg_1", None),
        ("DELETE", "/items/msg_1", None),
    ):
        gone = api.do(method, path + rest, body).script
        assert gone.status == 404
        assert json_of(gone)["error"]["message"] == f"Conversation with id '{made.id}' not found."


def test_other_keys_have_other_conversations() -> None:
    """A conversation of another key does not exist."""
    api = Api()
    assert api.do("GET", begin(api), key="sk-two").script.status == 404


def test_items_are_added_seen_and_taken_away() -> None:
    """Items come back in full, in order, each under its id, until they are deleted."""
    api = Api()
    path = begin(api, items=[USER], metadata={"a": "b"})
    added = json_of(api.do("POST", f"{path}/items", {"items": ITEMS}).script)
    valid(ConversationItemList, added)
    found = items_of(api, path)
    assert found[1:] == added["data"]
    assert len(found) == len(ITEMS) - 1
    one = found[1]
    assert api.get(f"{path}/items/{one['id']}") == one
    assert valid(Conversation, json_of(api.do("DELETE", f"{path}/items/{one['id']}").script)).metadata
    assert items_of(api, path) == [item for item in found if item is not one]
    for method in ("GET", "DELETE"):
        gone = api.do(method, f"{path}/items/{one['id']}").script
        assert (gone.status, json_of(gone)["error"]["message"]) == (
            404,
            f"Item with id '{one['id']}' not found.",
        )


def test_items_come_in_pages() -> None:
    """The latest come first, some at a time."""
    api = Api()
    path = begin(api, items=[USER] * 5)
    page = api.get(f"{path}/items?limit=3")
    assert (len(page["data"]), page["has_more"]) == (3, True)
    rest = api.get(f"{path}/items?limit=3&after={page['last_id']}")
    assert [*page["data"], *rest["data"]] == items_of(api, path)[::-1]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_response_adds_what_was_asked_and_answered(shape: str) -> None:
    """Input and output of a response stand in its conversation, valid in every shape, stored or not."""
    api = Api()
    path = begin(api)
    body = {name: value for name, value in SHAPES[shape].items() if name != "previous_response_id"}
    sent = api.create(**body, conversation=path.rsplit("/", 1)[1])
    found = items_of(api, path)
    assert found[0]["role"] == "user"
    assert found[1:] == sent["output"]


def test_a_response_that_is_not_over_adds_nothing_yet() -> None:
    """Question and answer appear together when the response is over; one that was cancelled never appears."""
    api, handle, other = Api(), ManualHandle("queued"), ManualHandle("running")
    path = begin(api, items=[USER])
    ident = path.rsplit("/", 1)[1]
    for one in (handle, other):
        api.create(handle=one, background=True, conversation=ident)
    for stage in ("queued", "running"):
        handle.now_at = stage
        assert len(items_of(api, path)) == 1
    handle.now_at, other.now_at = "done", "cancelled"
    assert [item.get("role") for item in items_of(api, path)] == ["user", "user", "assistant"]


def test_a_conversation_is_the_context() -> None:
    """What a conversation holds counts as input of the next response, and is listed among its input."""
    api = Api()
    path = begin(api, items=[USER])
    ident = path.rsplit("/", 1)[1]
    first = api.create(conversation={"id": ident}, input="1234")
    second = api.create(conversation=ident, input="1234")
    assert first["conversation"] == {"id": ident}
    assert first["usage"]["input_tokens"] == 2 + 1
    assert second["usage"]["input_tokens"] == 2 + 1 + 24 + 1
    listed = [item["id"] for item in api.get(f"/v1/responses/{second['id']}/input_items?order=asc")["data"]]
    assert listed == [item["id"] for item in items_of(api, path)][:-1]
    reference = {"type": "item_reference", "id": items_of(api, path)[0]["id"]}
    third = api.create(input=[reference])["id"]
    assert api.get(f"/v1/responses/{third}/input_items")["data"] == items_of(api, path)[:1]


@pytest.mark.parametrize(
    ("rest", "body", "param"),
    [
        ("", {"zzz": 1}, "zzz"),
        ("", {"metadata": {"a": 1}}, "metadata.a"),
        ("", {"items": [USER] * 21}, "items"),
        ("", {"items": "x"}, "items"),
        ("", {"items": [{}]}, "items[0].role"),
        ("/conv_1", {}, "metadata"),
        ("/conv_1", {"metadata": {}, "zzz": 1}, "zzz"),
        ("/conv_1/items", {}, "items"),
        ("/conv_1/items", {"items": [{"type": "no"}]}, "items[0]"),
        ("/conv_1/items", {"items": [], "zzz": 1}, "zzz"),
    ],
)
def test_bad_bodies_are_refused(rest: str, body: dict[str, Any], param: str) -> None:
    """Each bad body is a 400 that names what is wrong."""
    request = Api().parsed("POST", f"/v1/conversations{rest}", body, "sk-one")
    assert request.problem is not None
    assert request.problem.status == 400
    assert json_of(request.problem)["error"]["param"] == param


def test_a_long_conversation_forgets_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items are bounded in number and bytes, and what is forgotten no longer counts."""
    api = Api()
    path = begin(api, items=[USER])
    monkeypatch.setattr(conversations, "MOST_ITEMS", 7)
    for _ in range(3):
        api.do("POST", f"{path}/items", {"items": [USER] * 4})
    assert len(items_of(api, path)) == 7
    monkeypatch.setattr(conversations, "MOST_BYTES", 4 * 600)
    api.do("POST", f"{path}/items", {"items": [USER]})
    kept = len(items_of(api, path))
    assert 0 < kept < 7
    counted = api.do("POST", "/v1/responses/input_tokens", {"conversation": path.rsplit("/", 1)[1]})
    assert json_of(counted.script)["input_tokens"] == 2 * kept
