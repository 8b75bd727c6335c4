"""Shared by the endpoints without tokens of work: objects and pages of a list as answers, ids, times, errors.

Times of files, uploads and batches are Unix seconds on the adjustable clock (`unix_now`), which runs `store.skew_s`
ahead of the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import orjson

from windtunnel.mock_server.api.endpoint import Answer, WorkHandle, World
from windtunnel.mock_server.api.errors import INVALID_REQUEST, ApiError, invalid_type
from windtunnel.mock_server.api.headers import JSON, answer_headers
from windtunnel.mock_server.api.paging import listed
from windtunnel.mock_server.api.truth import Choice, digest
from windtunnel.mock_server.script import End, FirstToken, Head, Script, Send

MOST_METADATA: Final = 16
"""Keys of an object's metadata."""


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """An answer in one piece: its bytes, the choices that are its truth, and its effect on the store."""

    body: bytes
    choices: Sequence[Choice] = ()
    effect: Callable[[], object] | None = None
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def answered(made: WholeAnswer | ApiError, world: World) -> Answer:
    """Return the `Answer` of a whole answer, or of an error in its place, as one token of work."""
    if isinstance(made, ApiError):
        return Answer(made.script(world.stamp), digest([]), 1, None)
    head = Head(200, answer_headers(world.stamp, made.content_type) + made.headers)
    script = Script((head, FirstToken(), Send(made.body, 1, "terminal"), End()))
    return Answer(script, digest(made.choices), 1, None, _once(made.effect))


def _once(effect: Callable[[], object] | None) -> Callable[[WorkHandle], None] | None:
    if effect is None:
        return None

    def change(life: WorkHandle) -> None:
        effect()

    return change


def shown(value: Mapping[str, Any], effect: Callable[[], object] | None = None) -> WholeAnswer:
    """An object of the API; what a client must end up with is its id."""
    return WholeAnswer(orjson.dumps(value), [(0, value["id"], None, (), None)], effect)


def shown_page(values: list[dict[str, Any]], more: bool) -> WholeAnswer:
    """A page of a list; what a client must end up with are the ids on it."""
    body = orjson.dumps(listed(values, more=more))
    return WholeAnswer(body, [(at, value["id"], None, (), None) for at, value in enumerate(values)])


def new_id(world: World, prefix: str, what: str = "") -> str:
    """An id of 24 hex digits for an object that this attempt makes.

    A retry makes an object of its own: without an `Idempotency-Key` the API does nothing twice as one.
    """
    key = f"{world.seed}/{prefix}{what}/{world.call_key}/{world.attempt}"
    return prefix + blake2b(key.encode(), digest_size=12).hexdigest()


def unix_now(world: World) -> float:
    """Unix time on the adjustable clock."""
    return world.unix_t0 + world.now + world.store.skew_s


def unknown_field(body: Mapping[str, Any], known: Collection[str]) -> ApiError | None:
    """400 for the first field that the endpoint does not have."""
    for name in body:
        if name not in known:
            return unknown_parameter(name)
    return None


def unknown_parameter(name: str) -> ApiError:
    """400 for a field that the endpoint, or the model, does not have."""
    message = f"Unknown parameter: '{name}'."
    return ApiError(400, message, INVALID_REQUEST, name, "unknown_parameter")


def too_large(limit: int, found: int) -> ApiError:
    """413 for more bytes than are taken; the message was seen on uploads of audio."""
    message = f"413: Maximum content size limit ({limit}) exceeded ({found} bytes read)"
    return ApiError(413, message, "server_error")


def bad_metadata(name: str, value: Any) -> ApiError | None:
    """Up to 16 strings by keys of up to 64 characters, each up to 512."""
    if not isinstance(value, dict):
        return invalid_type(name, "an object", value)
    if len(value) > MOST_METADATA:
        message = (
            f"Invalid '{name}': too many properties. Expected an object with at most {MOST_METADATA} properties, "
            f"but got an object with {len(value)} properties instead."
        )
        return ApiError(400, message, INVALID_REQUEST, name, "object_above_max_properties")
    for key, text in value.items():
        if not isinstance(text, str):
            return invalid_type(f"{name}.{key}", "a string", text)
        for kind, part, most in (("key", key, 64), (f"{name}.{key}", text, 512)):
            if len(part) > most:
                where = name if kind == "key" else kind
                message = (
                    f"Invalid '{where}': string too long. Expected a string with maximum length {most}, "
                    f"but got a string with length {len(part)} instead."
                )
                return ApiError(400, message, INVALID_REQUEST, where, "string_above_max_length")
    return None
