"""The endpoints of stored responses: retrieve, stream again, cancel, delete, list the input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from windtunnel.mock_server.api.conversations.items_page import items_page
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, World
from windtunnel.mock_server.api.errors import INVALID_REQUEST, ApiError, invalid_type
from windtunnel.mock_server.api.objects import answered, shown
from windtunnel.mock_server.api.responses.items import view_of
from windtunnel.mock_server.api.responses.option_checks import includes
from windtunnel.mock_server.api.responses.resume import resumed_script
from windtunnel.mock_server.api.responses.state import StoredResponse, conversation_of, find_response
from windtunnel.mock_server.request import Request

RESUMABLE_S: Final = 300.0
"""Seconds on the adjustable clock after which a background response cannot be streamed again."""

TOO_OLD: Final = "This response can no longer be streamed because it is more than 5 minutes old."


def _found(request: Request, world: World) -> StoredResponse | ApiError:
    ident = request.ids[0]
    stored = find_response(world.store, request.key_hash, ident, world.now)
    return stored if stored is not None else ApiError(404, f"Response with id '{ident}' not found.")


def included(query: Mapping[str, str]) -> frozenset[str] | ApiError:
    """Read what a query wants included: `include[]=…&include[]=…`."""
    given = query.get("include[]", query.get("include", ""))
    names = [name for name in given.split(",") if name]
    return includes("include", names) or frozenset(names)


def wants_stream(body: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    """Tell whether a stored response is to be streamed again."""
    return query.get("stream") == "true"


def get_response(request: Request, world: World) -> Answer:
    """Retrieve a response as it is now, or stream its events again."""
    stored, include = _found(request, world), included(request.query)
    for given in (stored, include):
        if isinstance(given, ApiError):
            return answered(given, world)
    assert isinstance(stored, StoredResponse)
    assert isinstance(include, frozenset)
    if request.stream:
        return _stream(stored, include, request, world)
    return answered(shown(stored.shown(world.now, include)), world)


def _stream(stored: StoredResponse, include: frozenset[str], request: Request, world: World) -> Answer:
    background = stored.background
    if not background or not stored.source.request.stream:
        lacking = "stream=true or the stream TTL has expired" if background else "background=true"
        message = f"This response cannot be streamed because it was not created with {lacking}."
        return answered(ApiError(400, message, INVALID_REQUEST, "stream"), world)
    if stored.age(world.now) > RESUMABLE_S:
        return answered(ApiError(400, TOO_OLD, INVALID_REQUEST, "stream"), world)
    after = request.query.get("starting_after", "-1")
    digits = after.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        return answered(invalid_type("starting_after", "an integer", after), world)
    view = view_of(stored.source.request, include)
    padded = request.query.get("include_obfuscation")
    if padded is not None:
        view = view._replace(obfuscates=padded == "true")
    script = resumed_script(stored, world.now, world.stamp, int(after), view)
    generation = stored.source.generation
    return Answer(script, generation.truth(), 1, generation.finish)


def cancel_response(request: Request, world: World) -> Answer:
    """End a response that is made in the background; doing it twice changes nothing."""
    stored = _found(request, world)
    if isinstance(stored, ApiError):
        return answered(stored, world)
    state = stored.state(world.now)
    if not stored.background:
        return _refused("Cannot cancel a synchronous response.", world)
    response = stored.shown(world.now)
    if state == "ended":
        status = response["status"]
        over = "a completed response" if status == "completed" else "a response in terminal state"
        return _refused(f"Cannot cancel {over}.", world)
    handle, now = stored.handle, world.now

    def cancel() -> None:
        handle.cancel(now)

    return answered(shown(response | {"status": "cancelled", "output": []}, cancel), world)


def delete_response(request: Request, world: World) -> Answer:
    """Delete a response that is over."""
    stored = _found(request, world)
    if isinstance(stored, ApiError):
        return answered(stored, world)
    if stored.state(world.now) in ("queued", "in_progress"):
        return _refused("Cannot delete an in-flight response.", world)
    key_hash, ident, shelf = request.key_hash, request.ids[0], world.store.responses

    def delete() -> None:
        shelf.delete(key_hash, ident)

    deleted = {"id": ident, "object": "response.deleted", "deleted": True}
    return answered(shown(deleted, delete), world)


def _refused(message: str, world: World) -> Answer:
    return answered(ApiError(400, message, INVALID_REQUEST, "response_id"), world)


def list_input(request: Request, world: World) -> Answer:
    """List the items of a response's input and of all that it continues, latest first."""
    stored, include = _found(request, world), included(request.query)
    for given in (stored, include):
        if isinstance(given, ApiError):
            return answered(given, world)
    assert isinstance(stored, StoredResponse)
    return answered(items_page(history(stored, world), request.query), world)


def history(stored: StoredResponse, world: World) -> list[dict[str, Any]]:
    """Return all items that a response was made from, oldest first, as far as they are still stored."""
    store, items = world.store, stored.inputs()
    request = stored.source.request
    conversation = conversation_of(request, world)
    if conversation is not None:
        own = {item["id"] for item in items}
        before: list[dict[str, Any]] = []
        for ident, held in conversation.items.items():
            if ident in own:
                break
            before.append(held.value)
        return before + items
    while (previous := request.body.get("previous_response_id")) is not None:
        earlier: StoredResponse | None = store.responses.get(request.key_hash, previous)
        if earlier is None:
            break
        items = [*earlier.inputs(), *earlier.outputs(), *items]
        request = earlier.source.request
    return items


def _outgoing_one(request: Request, world: World) -> int:
    return world.store.responses.size_of(request.key_hash, request.ids[0])


def _outgoing_all(request: Request, world: World) -> int:
    """A response goes on from others, and its input has theirs."""
    return world.store.responses.largest(request.key_hash, len(world.store.responses))


ENDPOINTS = (
    Endpoint(
        name="responses.get",
        method="GET",
        path="/responses/{id}",
        api="stored",
        answer=get_response,
        streams=wants_stream,
        outgoing=_outgoing_one,
    ),
    Endpoint(
        name="responses.delete", method="DELETE", path="/responses/{id}", api="stored", answer=delete_response
    ),
    Endpoint(
        name="responses.cancel",
        method="POST",
        path="/responses/{id}/cancel",
        api="stored",
        answer=cancel_response,
    ),
    Endpoint(
        name="responses.input_items",
        method="GET",
        path="/responses/{id}/input_items",
        api="stored",
        answer=list_input,
        outgoing=_outgoing_all,
    ),
)
