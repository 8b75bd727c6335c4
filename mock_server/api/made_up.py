"""Objects for ids that name nothing, for suites that ask for `resp_123` and expect an answer.

A request that would get a 404 for an id gets one about an object that is made for it, under that id, as if its key had
made it before: a response, a chat completion, a conversation with one item, a file, an upload, a batch. What it then
does to the object it does for the next requests as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, Literal

import orjson

from windtunnel.mock_server.api.conversations.state import Conversation, Item
from windtunnel.mock_server.api.endpoint import Answer, World
from windtunnel.mock_server.api.files.state import StoredFile, keep
from windtunnel.mock_server.api.objects import unix_now
from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.api.store import Shelf
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import Script, Send, Step

Respond = Callable[[Request, World], Answer]

_HEADERS: Final = {"authorization": "Bearer made-up", "content-type": "application/json"}
_SAID: Final = {"role": "user", "content": "Hello."}
_LINE: Final = {
    "custom_id": "made-up",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "gpt-4.1", "messages": [_SAID]},
}
_BODIES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "responses": ("/v1/responses", {"model": "gpt-4.1", "input": "Hello."}),
    "chat": ("/v1/chat/completions", {"model": "gpt-4.1", "messages": [_SAID], "store": True}),
    "conversations": ("/v1/conversations", {"items": [{"type": "message", **_SAID}]}),
    "uploads": (
        "/v1/uploads",
        {"bytes": 6, "filename": "made-up.txt", "mime_type": "text/plain", "purpose": "assistants"},
    ),
    "batches": ("/v1/batches", {"endpoint": "/v1/chat/completions", "completion_window": "24h"}),
}


class _Handle:
    """The work of an object that was made up: over, or under way so that it can be cancelled."""

    def __init__(self, stage: Literal["running", "done"]) -> None:
        self._stage: Literal["queued", "running", "done", "cancelled"] = stage

    def stage(self, now: float) -> Literal["queued", "running", "done", "cancelled"]:
        """See `WorkHandle.stage`."""
        return self._stage

    def tokens(self, now: float) -> int:
        """See `WorkHandle.tokens`."""
        return 0 if self._stage == "running" else 2**31

    def due(self, tokens: int) -> float:
        """See `WorkHandle.due`."""
        return math.inf if self._stage == "running" else 0.0

    def cancel(self, now: float) -> bool:
        """See `WorkHandle.cancel`."""
        before, self._stage = self._stage, "cancelled"
        return before == "running"


def answer_anyway(request: Request, world: World, respond: Respond) -> Answer:
    """Return the answer to a request; where an id of its path names nothing, that about an object made for it."""
    made = respond(request, world)
    family = request.endpoint.partition(".")[0]
    if not request.ids:
        return made
    ident, key, known = request.ids[0], request.key_hash, world.store.made_up
    if made.script.status == 404:
        if _shelf(family, world).get(key, ident) is None:
            _make(family, ident, request, world, respond)
        if family == "conversations" and len(request.ids) > 1:
            _add_item(world.store.conversations.get(key, ident), request.ids[1])
        made = respond(request, world)
    own = known.get(key, ident)
    return made if own is None else replace(made, script=_renamed(made.script, own, ident))


def make_references(request: Request, world: World, respond: Respond) -> None:
    """Make up the response or the conversation that a new response goes on from, if there is none."""
    body, store = request.body, world.store
    previous, conversation = body.get("previous_response_id"), body.get("conversation")
    if isinstance(conversation, dict):
        conversation = conversation.get("id")
    for family, ident, shelf in (
        ("responses", previous, store.responses),
        ("conversations", conversation, store.conversations),
    ):
        if isinstance(ident, str) and shelf.get(request.key_hash, ident) is None:
            _make(family, ident, request, world, respond)


def _shelf(family: str, world: World) -> Shelf[Any]:
    store = world.store
    return {
        "responses": store.responses,
        "chat": store.completions,
        "conversations": store.conversations,
        "files": store.files,
        "uploads": store.uploads,
        "batches": store.batches,
    }.get(family, Shelf())


def _make(family: str, ident: str, request: Request, world: World, respond: Respond) -> None:
    """Make an object and store it under `ident` as well as under its own id."""
    key = request.key_hash
    if family == "files":
        _keep_file(ident, b"made up\n", "batch", key, world)
        return
    if family not in _BODIES:
        return
    path, body = _BODIES[family]
    if family == "batches":
        _keep_file("file-made-up", orjson.dumps(_LINE) + b"\n", "batch", key, world)
        body = {**body, "input_file_id": "file-made-up"}
    cancelled = request.endpoint == "responses.cancel"
    if cancelled:
        body = {**body, "background": True}
    creation = replace(parse("POST", path, _HEADERS, orjson.dumps(body), region=request.region), key_hash=key)
    made = respond(creation, replace(world, call_key=f"{world.call_key}/made up/{ident}"))
    if made.effect is not None:
        made.effect(_Handle("running" if cancelled else "done"))
    own = _id_in((made.early or made.script).steps)
    shelf = _shelf(family, world)
    entry = shelf.get(key, own)
    if entry is not None:
        shelf.put(key, ident, entry, len(ident))
        world.store.made_up.put(key, ident, own, len(ident))


def _keep_file(ident: str, data: bytes, purpose: str, key: str, world: World) -> None:
    keep(world.store, key, StoredFile(ident, "made-up.txt", purpose, data, unix_now(world)))


def _add_item(conversation: Conversation | None, ident: str) -> None:
    if conversation is not None and ident not in conversation.items and conversation.items:
        first = next(iter(conversation.items.values()))
        conversation.items[ident] = Item({**first.value, "id": ident}, first.tokens, first.size)


def _id_in(steps: Iterable[Step]) -> str:
    body = b"".join([step.data for step in steps if isinstance(step, Send)])
    return str(orjson.loads(body).get("id"))


def _renamed(script: Script, own: str, ident: str) -> Script:
    before, after = own.encode(), ident.encode("utf-8", "replace")

    def rename(step: Step) -> tuple[Step, ...]:
        return (replace(step, data=step.data.replace(before, after)),) if isinstance(step, Send) else (step,)

    return script.map_steps(rename)
