"""Stored responses: what they are made of, and the handle of their work.

    create ──effect──► StoredResponse(source, handle) ──► get, stream again, cancel, input items, previous_response_id

The source is stored, not the bytes: the request and the generated output are in memory anyway.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from windtunnel.mock_server.api.choices import GeneratedChoice
from windtunnel.mock_server.api.conversations.state import Conversation
from windtunnel.mock_server.api.endpoint import WorkHandle, World
from windtunnel.mock_server.api.errors import INVALID_REQUEST, ApiError
from windtunnel.mock_server.api.responses.input_items import input_items, references
from windtunnel.mock_server.api.responses.items import NOTHING, item, response_id, view_of
from windtunnel.mock_server.api.responses.wire import ResponseSource, State, reference_id, response_object
from windtunnel.mock_server.api.store import KEPT_S, Store
from windtunnel.mock_server.api.text import tokens_in
from windtunnel.mock_server.request import Request

USUAL_BYTES: Final = 2_048
"""What a response weighs besides its texts."""

_STATES: Final[dict[str, State]] = {
    "queued": "queued",
    "running": "in_progress",
    "done": "ended",
    "cancelled": "cancelled",
}

_SHORT: Final = frozenset(
    (
        *("model", "input", "instructions", "stream", "store", "background", "temperature", "top_p"),
        *("max_output_tokens", "previous_response_id", "user", "service_tier", "truncation"),
    )
)
"""Fields that hold nothing long, besides the texts that are measured."""


class _NotAccepted:
    """The handle of a response whose request has not been accepted yet."""

    def stage(self, now: float) -> Literal["queued"]:
        """See `WorkHandle.stage`."""
        return "queued"

    def tokens(self, now: float) -> int:
        """See `WorkHandle.tokens`."""
        return 0

    def due(self, tokens: int) -> float:
        """See `WorkHandle.due`."""
        return math.inf

    def cancel(self, now: float) -> bool:
        """See `WorkHandle.cancel`."""
        return False


_NOT_ACCEPTED: Final = _NotAccepted()


@dataclass(slots=True, eq=False)
class StoredResponse:
    """One response; its handle is given when its request is accepted. `unix_t0` is the Unix time of t0, `made_s` when
    it was made on the store's adjustable clock, by which it ages."""

    source: ResponseSource
    unix_t0: float
    store: Store
    made_s: float
    handle: WorkHandle = _NOT_ACCEPTED

    def begin(self, handle: WorkHandle) -> None:
        """Store the response unless its request says `store: false`, and note it in its conversation."""
        self.handle = handle
        request, store = self.source.request, self.store
        body, size = request.body, size_of(self.source)
        if body.get("store") is not False:
            store.responses.put(request.key_hash, response_id(self.source.generation), self, size)
        if "conversation" in body:
            self._join(size)

    def _join(self, size: int) -> None:
        request = self.source.request
        found: Conversation | None = None
        if request.body["conversation"] is not None:
            ident = reference_id(request.body["conversation"])
            found = self.store.conversations.get(request.key_hash, ident)
        if found is not None:
            found.pending.append(self)
            # Pending responses are held in memory as well, so they count against the cap of the shelf.
            weight = found.size + size * len(found.pending)
            self.store.conversations.put(request.key_hash, found.ident, found, weight)

    @property
    def background(self) -> bool:
        """Whether its request said `background: true`."""
        return self.source.request.body.get("background") is True

    def state(self, now: float) -> State:
        """Return the state of its work."""
        return _STATES[self.handle.stage(now)]

    def age(self, now: float) -> float:
        """Return the seconds since it was made, on the adjustable clock."""
        return self.store.clock(now) - self.made_s

    def is_visible(self, now: float) -> bool:
        """Tell whether requests can see it: at once in the background, else when it is over, and for thirty days."""
        if self.age(now) >= KEPT_S:
            return False
        return self.background or self.state(now) in ("ended", "cancelled")

    def shown(self, now: float, include: frozenset[str] = NOTHING) -> dict[str, Any]:
        """The response as it is now; `include` is shown besides what the request wanted to see."""
        state = self.state(now)
        completed_at = None
        if state == "ended" and self.background and not self.source.request.stream:
            due = self.handle.due(self.source.generation.tokens - 1)
            completed_at = int(self.unix_t0 + due) if math.isfinite(due) else None
        spoken = self.handle.tokens(now) if state == "in_progress" else None
        view = view_of(self.source.request, include)
        return response_object(self.source, state, view=view, spoken=spoken, completed_at=completed_at)

    def outputs(self) -> list[dict[str, Any]]:
        """The items of its output when it is over."""
        view = view_of(self.source.request)
        return [
            item(self.source.generation, at, view, done=True)
            for at in range(len(self.source.generation.outputs))
        ]

    def inputs(self) -> list[dict[str, Any]]:
        """The items of its own input."""
        request, store = self.source.request, self.store
        given = request.body.get("input")
        return input_items(
            given, self.source.generation.base, lambda ident: found_item(store, request.key_hash, ident)
        )


def size_of(source: ResponseSource) -> int:
    """Return about how many bytes a stored response takes."""
    body, size = source.request.body, USUAL_BYTES
    for output in source.generation.outputs:
        size += 2 * len(output.content) if isinstance(output, GeneratedChoice) else USUAL_BYTES
    given = body.get("input")
    if isinstance(given, str) and body.keys() <= _SHORT:
        return size + len(given) + len(body.get("instructions") or "")
    return size + 2 * len(orjson.dumps(body))


def find_response(store: Store, key_hash: str, ident: str, now: float) -> StoredResponse | None:
    """Return the response of an id, or None if it cannot be seen at `now`."""
    stored: StoredResponse | None = store.responses.get(key_hash, ident)
    return stored if stored is not None and stored.is_visible(now) else None


def found_item(store: Store, key_hash: str, ident: str) -> dict[str, Any] | None:
    """The output item of an id in the key's stored responses, or the item of one of its conversations."""
    _, _, digits = ident.partition("_")
    stored: StoredResponse | None = store.responses.get(key_hash, f"resp_{digits[:46]}00")
    if stored is not None:
        found = next((one for one in stored.outputs() if one["id"] == ident), None)
        if found is not None:
            return found
    held = (one.items.get(ident) for _, one in store.conversations.of(key_hash))
    return next((one.value for one in held if one is not None), None)


def conversation_of(request: Request, world: World) -> Conversation | None:
    """The conversation that a request names, with all that has been said in it by now."""
    given = request.body.get("conversation")
    if given is None:
        return None
    found: Conversation | None = world.store.conversations.get(request.key_hash, reference_id(given))
    if found is not None:
        found.settle(world.now)
    return found


def context_tokens(request: Request, world: World) -> int:
    """Count the context that a request continues: its previous response and all before, or its conversation."""
    body = request.body
    previous = body.get("previous_response_id")
    if previous is not None:
        stored = find_response(world.store, request.key_hash, previous, world.now)
        if stored is None:
            return 0
        source = stored.source
        instructions = tokens_in(source.request.body.get("instructions") or "")
        return (
            max(0, source.prompt_tokens - instructions)
            + source.generation.tokens
            - source.generation.reasoning
        )
    conversation = conversation_of(request, world)
    return conversation.tokens if conversation is not None else 0


def refuse_response(request: Request, world: World) -> ApiError | None:
    """Return the error of a request that continues something that does not exist, or None."""
    body = request.body
    previous = body.get("previous_response_id")
    if previous is not None and find_response(world.store, request.key_hash, previous, world.now) is None:
        message = f"Previous response with id '{previous}' not found."
        param, code = "previous_response_id", "previous_response_not_found"
        return ApiError(400, message, INVALID_REQUEST, param, code)
    conversation = body.get("conversation")
    if conversation is not None and conversation_of(request, world) is None:
        return conversation_not_found(reference_id(conversation))
    for ident in references(body.get("input")):
        if found_item(world.store, request.key_hash, ident) is None:
            message = (
                f"Item with id '{ident}' not found. Items are not persisted when `store` is set to false. "
                "Try again with `store` set to true, or remove this item from your input."
            )
            return ApiError(404, message, INVALID_REQUEST, "input")
    return None


def conversation_not_found(ident: str) -> ApiError:
    """404 for a conversation that is not there."""
    return ApiError(404, f"Conversation with id '{ident}' not found.")
