"""Run one line of a batch: from its request to its line in the output or the error file.

    line ──► Request ──world.line──► Script, faults and all ──► a line of the output or the error file

A batch has no connection that could break. An answer that no client could have read to its end, or that is no JSON, is
the line's internal error: a 500.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson

from windtunnel.mock_server.api.endpoint import LineAnswer, World
from windtunnel.mock_server.api.errors import server_error
from windtunnel.mock_server.api.headers import request_stamp
from windtunnel.mock_server.request import Request
from windtunnel.mock_server.script import End, Head, Script, Send, Step

EXPIRED: Final = ("batch_expired", "This request could not be executed before the completion window expired.")
FULL: Final = (
    "output_too_large",
    "The output of the batch has reached its largest size before this request.",
)

LARGE: Final = 2**18
"""Bytes of an answer that is not read again."""

_USAGE: Final = b'"usage":'
_LONGEST_USAGE: Final = 2_000

Usage = tuple[int, int, int, int]
"""Input tokens, those of them from a cache, output tokens, those of them spent on reasoning."""

_HARMLESS: Final = frozenset({"Head", "FirstToken", "Tokens", "Send", "Wait", "Trickle", "End"})


class LineResult(NamedTuple):
    """The result of a line: whether it goes to the output file, its text there, and the tokens it used."""

    good: bool
    data: bytes
    usage: Usage = (0, 0, 0, 0)


def run_line(
    line: bytes, batch: str, creation: Request, world: World, room: int
) -> Generator[None, None, LineResult]:
    """Answer one valid line of the batch with the id `batch`, which `creation` has made, in steps.

    An answer for which there are not `room` bytes is left out, and not made.
    """
    assert world.line is not None, "only a world with an engine behind it can run the lines of a batch"
    given = orjson.loads(line)
    name = given["custom_id"]
    call = f"{batch}/{name}"
    answer = yield from world.line(creation, given["url"], given["body"], call, room)
    if answer is None:
        return left_out(line, batch)
    status, request_id, body, usage = _read(answer, call, world)
    response = {"status_code": status, "request_id": request_id, "body": body}
    good = status == 200
    return LineResult(good, _written(call, name, response, None), usage if good else (0, 0, 0, 0))


def unfinished(line: bytes, batch: str) -> LineResult:
    """Return the result of a line that was not run before the completion window ended."""
    return _without_answer(line, batch, EXPIRED)


def left_out(line: bytes, batch: str) -> LineResult:
    """Return the result of a line for which the output file has no room left."""
    return _without_answer(line, batch, FULL)


def _without_answer(line: bytes, batch: str, error: tuple[str, str]) -> LineResult:
    name = orjson.loads(line)["custom_id"]
    code, message = error
    return LineResult(False, _written(f"{batch}/{name}", name, None, {"code": code, "message": message}))


def _written(call: str, name: str, response: dict[str, Any] | None, error: dict[str, str] | None) -> bytes:
    ident = "batch_req_" + blake2b(call.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    entry = {"id": ident, "custom_id": name, "response": response, "error": error}
    return orjson.dumps(entry) + b"\n"


def _read(answer: LineAnswer, call: str, world: World) -> tuple[int, str, Any, Usage]:
    """Return the status, request id, body and usage that one line gets.

    A large body that nothing has touched is taken as it stands: reading and writing it again would take long.
    """
    status, headers, data = _played(answer.script)
    stamp = request_stamp(world.seed, call)
    request_id = headers.get("x-request-id", stamp.request_id)
    if status == 200 and answer.sound and len(data) > LARGE:
        return status, request_id, orjson.Fragment(data), _usage({"usage": _stated_usage(data)})
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        body = None
    if status is None or not isinstance(body, dict):
        return 500, request_id, orjson.loads(server_error().body()), (0, 0, 0, 0)
    return status, request_id, body, _usage(body)


def _stated_usage(data: bytes) -> Any:
    """Return the usage at the end of an answer, without reading all of it; None if there is none.

    What stands in a text of the answer has its quotes escaped, so it cannot be taken for the field.
    """
    at = data.rfind(_USAGE)
    if at < 0:
        return None
    end = data[at + len(_USAGE) : at + len(_USAGE) + _LONGEST_USAGE].decode("utf-8", "replace")
    try:
        return json.JSONDecoder().raw_decode(end)[0]
    except ValueError:
        return None


def _played(script: Script) -> tuple[int | None, dict[str, str], bytes]:
    """Return status, headers and body of a script without its waits; status None if the answer is not complete."""
    steps = script.steps
    head = next((step for step in steps if isinstance(step, Head)), None)
    whole = head is not None and bool(steps) and isinstance(steps[-1], End) and all(map(_harmless, steps))
    if head is None or not whole:
        return None, {}, b""
    data = b"".join([step.data for step in steps if isinstance(step, Send)])
    promised = head.content_length
    if promised is not None and promised != len(data):
        return None, {}, b""
    return head.status, dict(head.headers), data


def _harmless(step: Step) -> bool:
    """Tell whether a step leaves the answer complete: no bytes outside the framing, no wait without end."""
    return type(step).__name__ in _HARMLESS and getattr(step, "seconds", 0.0) != float("inf")


def _usage(body: dict[str, Any]) -> Usage:
    """Read the tokens that an answer used, from chat's names or those of Responses."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return (0, 0, 0, 0)
    read = _whole(usage, "prompt_tokens", "input_tokens")
    wrote = _whole(usage, "completion_tokens", "output_tokens")
    cached = reasoned = 0
    for name, value in usage.items():
        if isinstance(value, dict):
            if name in ("prompt_tokens_details", "input_tokens_details"):
                cached = _whole(value, "cached_tokens")
            elif name in ("completion_tokens_details", "output_tokens_details"):
                reasoned = _whole(value, "reasoning_tokens")
    return read, cached, wrote, reasoned


def _whole(values: dict[str, Any], *names: str) -> int:
    """Return the first of these fields that is a whole number; 0 if none is."""
    found = (values.get(name) for name in names)
    return next((value for value in found if isinstance(value, int)), 0)
