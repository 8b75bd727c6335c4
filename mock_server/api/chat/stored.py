"""Chat completions stored by `store: true`, and their endpoints: list, get, update, delete, messages.

One can be seen once its answer is complete, with the key that created it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.chat.wire import completion
from windtunnel.mock_server.api.choices import GeneratedChoice
from windtunnel.mock_server.api.endpoint import Answer, Endpoint, WorkHandle, World, run
from windtunnel.mock_server.api.errors import ApiError, missing_parameter
from windtunnel.mock_server.api.fields import check_fields, metadata
from windtunnel.mock_server.api.headers import RequestStamp, answer_headers
from windtunnel.mock_server.api.paging import Paging, listed, paging
from windtunnel.mock_server.api.store import KEPT_S
from windtunnel.mock_server.api.truth import digest
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send

_REPEATED: Final[dict[str, Any]] = {
    "seed": None,
    "top_p": 1.0,
    "temperature": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "tools": None,
    "tool_choice": None,
    "response_format": None,
}
"""Fields of the request that a stored completion repeats, with their defaults."""


@dataclass(frozen=True, slots=True)
class StoredChat:
    """A stored completion: its JSON without the metadata, the messages of its request, the handle of its work, and when
    it was made on the store's adjustable clock."""

    model: str
    body: bytes
    messages: bytes
    metadata: dict[str, str]
    handle: WorkHandle
    made_s: float

    def is_visible(self, world: World) -> bool:
        """Tell whether requests can see it: its answer is complete, and it is not older than thirty days."""
        young = world.store.clock(world.now) - self.made_s < KEPT_S
        return young and self.handle.stage(world.now) == "done"

    def json(self) -> dict[str, Any]:
        """Return the object as the API shows it."""
        return {**orjson.loads(self.body), "metadata": self.metadata}

    @property
    def size(self) -> int:
        """About how many bytes it takes in the store."""
        pairs = sum([len(name) + len(value) for name, value in self.metadata.items()])
        return len(self.body) + len(self.messages) + pairs


def store_effect(
    request: Request, generated: list[GeneratedChoice], stamp: RequestStamp, created: int, world: World
) -> Callable[[WorkHandle], None]:
    """Return the effect of `store: true`, which stores the completion."""

    def put(handle: WorkHandle) -> None:
        body = request.body
        tokens = sum([one.billed for one in generated])
        whole = orjson.loads(run(completion(request, generated, tokens, created)))
        given = {name: body[name] for name in _REPEATED if body.get(name) is not None}
        more = {"request_id": stamp.request_id, "input_user": body.get("user"), **_REPEATED, **given}
        stored = StoredChat(
            request.model,
            orjson.dumps({**whole, **more}),
            orjson.dumps(body["messages"]),
            body.get("metadata") or {},
            handle,
            world.store.clock(world.now),
        )
        world.store.completions.put(request.key_hash, whole["id"], stored, stored.size)

    return put


def _found(request: Request, world: World) -> StoredChat | ApiError:
    stored: StoredChat | None = world.store.completions.get(request.key_hash, request.ids[0])
    if stored is not None and stored.is_visible(world):
        return stored
    return ApiError(404, f"Chat completion with id '{request.ids[0]}' not found.")


def _answer(
    world: World, found: Any, ids: list[str], effect: Callable[[WorkHandle], None] | None = None
) -> Answer:
    """Return the answer with one JSON object about the objects with these ids, or with an error."""
    if isinstance(found, ApiError):
        return Answer(found.script(world.stamp), digest([]), 1, None)
    send = Send(orjson.dumps(found), 1, "terminal")
    script = Script((Head(200, answer_headers(world.stamp)), FirstToken(), send, End()))
    truth = digest([(index, ident, None, (), None) for index, ident in enumerate(ids)])
    return Answer(script, truth, 1, None, effect)


def answer_list(request: Request, world: World) -> Answer:
    """List the completions of the key, oldest first unless `order=desc`, by `model` and `metadata[name]=value`."""
    wanted_page = paging(request.query, order="asc")
    if isinstance(wanted_page, ApiError):
        return _answer(world, wanted_page, [])
    model = request.query.get("model")
    wanted = {
        name[9:-1]: value
        for name, value in request.query.items()
        if name.startswith("metadata[") and name.endswith("]")
    }

    def fits(stored: StoredChat) -> bool:
        return (
            stored.is_visible(world)
            and model in (None, stored.model)
            and all(stored.metadata.get(name) == value for name, value in wanted.items())
        )

    page = world.store.completions.page(
        request.key_hash,
        limit=wanted_page.limit,
        after=wanted_page.after,
        ascending=wanted_page.ascending,
        where=fits,
    )
    data = [stored.json() for _, stored in page.entries]
    return _answer(world, listed(data, more=page.more), [ident for ident, _ in page.entries])


def answer_get(request: Request, world: World) -> Answer:
    """Retrieve one completion."""
    found = _found(request, world)
    return _answer(world, found if isinstance(found, ApiError) else found.json(), [*request.ids])


def answer_update(request: Request, world: World) -> Answer:
    """Replace the metadata of a completion."""
    found = _found(request, world)
    if isinstance(found, ApiError):
        return _answer(world, found, [])
    changed = replace(found, metadata=request.body["metadata"] or {})

    def put(_: WorkHandle) -> None:
        world.store.completions.put(request.key_hash, request.ids[0], changed, changed.size)

    return _answer(world, changed.json(), [*request.ids], put)


def answer_delete(request: Request, world: World) -> Answer:
    """Delete a completion."""
    found = _found(request, world)
    if isinstance(found, ApiError):
        return _answer(world, found, [])
    ident = request.ids[0]

    def forget(_: WorkHandle) -> None:
        world.store.completions.delete(request.key_hash, ident)

    return _answer(
        world, {"object": "chat.completion.deleted", "id": ident, "deleted": True}, [ident], forget
    )


def answer_messages(request: Request, world: World) -> Answer:
    """List the messages of the completion's request."""
    found, wanted_page = _found(request, world), paging(request.query, order="asc")
    if isinstance(found, ApiError) or isinstance(wanted_page, ApiError):
        return _answer(world, found if isinstance(found, ApiError) else wanted_page, [])
    messages = [
        _message(f"{request.ids[0]}-{at}", given) for at, given in enumerate(orjson.loads(found.messages))
    ]
    data, more = _page(messages, wanted_page)
    return _answer(world, listed(data, more=more), [message["id"] for message in data])


def _page(entries: list[dict[str, Any]], wanted_page: Paging) -> tuple[list[dict[str, Any]], bool]:
    if not wanted_page.ascending:
        entries = entries[::-1]
    if wanted_page.after is not None:
        ids = [entry["id"] for entry in entries]
        entries = entries[ids.index(wanted_page.after) + 1 :] if wanted_page.after in ids else []
    return entries[: wanted_page.limit], len(entries) > wanted_page.limit


def _message(ident: str, given: dict[str, Any]) -> dict[str, Any]:
    """A message of the request; one in parts keeps its texts and pictures as `content_parts`."""
    content, parts = given.get("content"), None
    if isinstance(content, list):
        parts = [part for part in content if part.get("type") in ("text", "image_url")]
        content = None
    shown = {name: given[name] for name in ("tool_calls", "function_call", "tool_call_id") if given.get(name)}
    name = given.get("name")
    return {
        "id": ident,
        "role": given["role"],
        "content": content,
        "name": name,
        "content_parts": parts,
        **shown,
    }


def check_update(body: dict[str, Any]) -> ApiError | int:
    """Check the body of an update, which holds metadata and nothing else."""
    problem = check_fields(body, {"metadata": metadata}, closed=True)
    if problem is None and "metadata" not in body:
        problem = missing_parameter("metadata")
    return problem or 0


def _outgoing_one(request: Request, world: World) -> int:
    return world.store.completions.size_of(request.key_hash, request.ids[0])


def _outgoing_page(request: Request, world: World) -> int:
    asked = paging(request.query, order="asc")
    return (
        0 if isinstance(asked, ApiError) else world.store.completions.largest(request.key_hash, asked.limit)
    )


_ONE: Final = "/chat/completions/{completion_id}"
ENDPOINTS = (
    Endpoint(
        name="chat.list",
        method="GET",
        path="/chat/completions",
        api="stored",
        answer=answer_list,
        outgoing=_outgoing_page,
    ),
    Endpoint(
        name="chat.get", method="GET", path=_ONE, api="stored", answer=answer_get, outgoing=_outgoing_one
    ),
    Endpoint(
        name="chat.update",
        method="POST",
        path=_ONE,
        api="stored",
        answer=answer_update,
        check=check_update,
        outgoing=_outgoing_one,
    ),
    Endpoint(name="chat.delete", method="DELETE", path=_ONE, api="stored", answer=answer_delete),
    Endpoint(
        name="chat.messages",
        method="GET",
        path=f"{_ONE}/messages",
        api="stored",
        answer=answer_messages,
        outgoing=_outgoing_one,
    ),
)
