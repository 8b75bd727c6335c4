"""The list of models, one of them, and the end of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.endpoint import Answer, Endpoint, WorkHandle, World
from windtunnel.mock_server.api.errors import ApiError, model_not_found
from windtunnel.mock_server.api.headers import ORGANIZATION, answer_headers
from windtunnel.mock_server.api.truth import digest
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send

CREATED: Final = 1_744_316_542
LISTED: Final = (
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4o",
    "gpt-4o-mini",
    "text-embedding-3-small",
    "text-embedding-3-large",
    "text-embedding-ada-002",
)
"""What is listed by a provider that serves every model name."""


_TUNED: Final = "ft:"
"""How the names of fine-tuned models begin; they alone can be deleted."""
_PERMISSION: Final = (
    "You have insufficient permissions for this operation. Missing scopes: api.delete. Check that you have the "
    "correct role in your organization, and if you're using a restricted API key, that it has the necessary "
    "scopes."
)


def _unknown(name: str, request: Request, world: World) -> bool:
    gone = world.store.deleted_models.get(request.key_hash, name) is not None
    return gone or (world.models is not None and name not in world.models)


def _entry(name: str) -> dict[str, Any]:
    owner = "system"
    if name.startswith(_TUNED):
        owner = ORGANIZATION
    return {"id": name, "object": "model", "created": CREATED, "owned_by": owner}


def _answer(
    world: World, body: dict[str, Any], names: list[str], effect: Callable[[WorkHandle], None] | None = None
) -> Answer:
    send = Send(orjson.dumps(body), 1, "terminal")
    script = Script((Head(200, answer_headers(world.stamp)), FirstToken(), send, End()))
    truth = digest([(index, name, None, (), None) for index, name in enumerate(names)])
    return Answer(script, truth, 1, None, effect)


def _refused(error: ApiError, world: World) -> Answer:
    return Answer(error.script(world.stamp), digest([]), 1, None)


def answer_list(request: Request, world: World) -> Answer:
    """Every model that the provider serves; the usual ones where it serves any name."""
    served = world.models if world.models is not None else LISTED
    names = [name for name in served if not _unknown(name, request, world)]
    return _answer(world, {"object": "list", "data": [_entry(name) for name in names]}, names)


def answer_get(request: Request, world: World) -> Answer:
    """One model."""
    name = request.ids[0]
    if _unknown(name, request, world):
        return _refused(model_not_found(name), world)
    return _answer(world, _entry(name), [name])


def answer_delete(request: Request, world: World) -> Answer:
    """That a fine-tuned model is gone, for the key that deleted it; 403 for any other model."""
    name = request.ids[0]
    if _unknown(name, request, world):
        return _refused(model_not_found(name), world)
    if not name.startswith(_TUNED):
        return _refused(ApiError(403, _PERMISSION), world)

    def delete(_: WorkHandle) -> None:
        world.store.deleted_models.put(request.key_hash, name, True, len(name))

    return _answer(world, {"id": name, "object": "model", "deleted": True}, [name], delete)


_ONE: Final = "/models/{model}"
ENDPOINTS = (
    Endpoint(name="models.list", method="GET", path="/models", api="models", answer=answer_list),
    Endpoint(name="models.get", method="GET", path=_ONE, api="models", answer=answer_get),
    Endpoint(name="models.delete", method="DELETE", path=_ONE, api="models", answer=answer_delete),
)
