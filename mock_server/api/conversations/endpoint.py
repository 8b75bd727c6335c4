"""Conversations and their items."""

from __future__ import annotations

from typing import Any, Final

from windtunnel.mock_server.api.conversations.items_page import items_page, listed
from windtunnel.mock_server.api.conversations.state import Conversation
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, World
from windtunnel.mock_server.api.errors import ApiError, invalid_type, missing_parameter
from windtunnel.mock_server.api.fields import Check, anything, check_fields, metadata, too_long
from windtunnel.mock_server.api.objects import WholeAnswer, answered, new_id, shown
from windtunnel.mock_server.api.responses.checks import items_tokens
from windtunnel.mock_server.api.responses.input_items import input_items
from windtunnel.mock_server.api.responses.option_checks import unknown_field
from windtunnel.mock_server.api.responses.state import conversation_not_found, found_item
from windtunnel.mock_server.request import Request

MOST_ADDED: Final = 20
"""Items that one request can add."""

_CREATE: Final[dict[str, Check]] = {"items": anything, "metadata": metadata}
_UPDATE: Final[dict[str, Check]] = {"metadata": metadata}
_ADD: Final[dict[str, Check]] = {"items": anything}


def check_create(body: dict[str, Any]) -> ApiError | int:
    """The tokens of the first items, or what is wrong with the body."""
    problem = unknown_field(body, _CREATE) or check_fields(body, _CREATE)
    if problem is not None or body.get("items") is None:
        return problem or 0
    return _items(body["items"])


def check_update(body: dict[str, Any]) -> ApiError | int:
    """What is wrong with the body of an update, or 0."""
    if "metadata" not in body:
        return missing_parameter("metadata")
    return unknown_field(body, _UPDATE) or check_fields(body, _UPDATE) or 0


def check_add(body: dict[str, Any]) -> ApiError | int:
    """The tokens of further items, or what is wrong with the body."""
    if body.get("items") is None:
        return missing_parameter("items")
    return unknown_field(body, _ADD) or _items(body["items"])


def _items(items: Any) -> ApiError | int:
    if not isinstance(items, list):
        return invalid_type("items", "an array of input items", items)
    if len(items) > MOST_ADDED:
        return too_long("items", MOST_ADDED, len(items))
    return items_tokens("items", items)


def _full(request: Request, world: World) -> list[dict[str, Any]]:
    """The items that a request adds, with ids."""
    key = f"{world.seed}/items/{world.call_key}/{world.attempt}"
    store = world.store
    return input_items(
        request.body.get("items"), key, lambda ident: found_item(store, request.key_hash, ident)
    )


def _found(request: Request, world: World) -> Conversation | ApiError:
    """The conversation of the path, with all that has been said in it by now."""
    ident = request.ids[0]
    found: Conversation | None = world.store.conversations.get(request.key_hash, ident)
    if found is None:
        return conversation_not_found(ident)
    found.settle(world.now)
    return found


def create_conversation(request: Request, world: World) -> Answer:
    """A new conversation, with its first items if there are any."""
    made = Conversation(new_id(world, "conv_"), world.created, request.body.get("metadata") or {})
    made.add(_full(request, world))
    return answered(shown(made.shown(), lambda: _put(made, request, world)), world)


def _put(conversation: Conversation, request: Request, world: World) -> None:
    world.store.conversations.put(request.key_hash, conversation.ident, conversation, conversation.size)


def get_conversation(request: Request, world: World) -> Answer:
    """A conversation."""
    found = _found(request, world)
    return answered(found if isinstance(found, ApiError) else shown(found.shown()), world)


def update_conversation(request: Request, world: World) -> Answer:
    """Other metadata for a conversation."""
    found = _found(request, world)
    if isinstance(found, ApiError):
        return answered(found, world)
    held, given = found, request.body["metadata"] or {}

    def update() -> None:
        held.metadata = given

    return answered(shown({**held.shown(), "metadata": given}, update), world)


def delete_conversation(request: Request, world: World) -> Answer:
    """Delete a conversation. Responses that were part of it stay."""
    found = _found(request, world)
    if isinstance(found, ApiError):
        return answered(found, world)
    ident, key_hash, shelf = found.ident, request.key_hash, world.store.conversations

    def delete() -> None:
        shelf.delete(key_hash, ident)

    deleted = {"id": ident, "object": "conversation.deleted", "deleted": True}
    return answered(shown(deleted, delete), world)


def add_items(request: Request, world: World) -> Answer:
    """Further items at the end of a conversation."""
    found = _found(request, world)
    if isinstance(found, ApiError):
        return answered(found, world)
    held, items = found, _full(request, world)

    def add() -> None:
        held.add(items)
        _put(held, request, world)

    page = listed(items)
    return answered(WholeAnswer(page.body, page.choices, add), world)


def list_items(request: Request, world: World) -> Answer:
    """The items of a conversation, latest first."""
    found = _found(request, world)
    if isinstance(found, ApiError):
        return answered(found, world)
    return answered(items_page([item.value for item in found.items.values()], request.query), world)


def get_item(request: Request, world: World) -> Answer:
    """One item."""
    found = _item(request, world)
    return answered(found if isinstance(found, ApiError) else shown(found), world)


def delete_item(request: Request, world: World) -> Answer:
    """Take an item out of a conversation; the answer is the conversation."""
    found, item = _found(request, world), _item(request, world)
    if isinstance(found, ApiError):
        return answered(found, world)
    if isinstance(item, ApiError):
        return answered(item, world)
    held, ident = found, request.ids[1]

    def remove() -> None:
        held.remove(ident)
        _put(held, request, world)

    return answered(shown(held.shown(), remove), world)


def _item(request: Request, world: World) -> dict[str, Any] | ApiError:
    found = _found(request, world)
    if isinstance(found, ApiError):
        return found
    item = found.items.get(request.ids[1])
    return item.value if item is not None else ApiError(404, f"Item with id '{request.ids[1]}' not found.")


_ONE: Final = "/conversations/{id}"
_ITEMS: Final = "/conversations/{id}/items"
_ITEM: Final = "/conversations/{id}/items/{item}"


def _outgoing(request: Request, world: World) -> int:
    return world.store.conversations.size_of(request.key_hash, request.ids[0])


ENDPOINTS = (
    Endpoint(
        name="conversations.create",
        method="POST",
        path="/conversations",
        api="conversations",
        answer=create_conversation,
        check=check_create,
        empty=True,
    ),
    Endpoint(name="conversations.get", method="GET", path=_ONE, api="conversations", answer=get_conversation),
    Endpoint(
        name="conversations.update",
        method="POST",
        path=_ONE,
        api="conversations",
        answer=update_conversation,
        check=check_update,
    ),
    Endpoint(
        name="conversations.delete",
        method="DELETE",
        path=_ONE,
        api="conversations",
        answer=delete_conversation,
    ),
    Endpoint(
        name="conversations.items.create",
        method="POST",
        path=_ITEMS,
        api="conversations",
        answer=add_items,
        check=check_add,
    ),
    Endpoint(
        name="conversations.items.list",
        method="GET",
        path=_ITEMS,
        api="conversations",
        answer=list_items,
        outgoing=_outgoing,
    ),
    Endpoint(
        name="conversations.items.get",
        method="GET",
        path=_ITEM,
        api="conversations",
        answer=get_item,
        outgoing=_outgoing,
    ),
    Endpoint(
        name="conversations.items.delete",
        method="DELETE",
        path=_ITEM,
        api="conversations",
        answer=delete_item,
    ),
)
