"""Replies of the admin API, and the errors for bad requests to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from windtunnel.mock_server.plan.plan import Plan

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the admin API; `then` is to be called once it is written."""

    status: int
    body: bytes | Iterator[bytes]
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    then: Callable[[], None] | None = None


class RefusedError(Exception):
    """A bad request, which gets `reply`."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def json_reply(status: int, content: Any) -> Reply:
    """Return a reply with `content` as JSON."""
    return Reply(status, orjson.dumps(content))


def problem(
    status: int, message: str, headers: tuple[tuple[str, str], ...] = (), *, path: str | None = None
) -> Reply:
    """Return an error of the admin API: `{"error": {"message", "path"}}`."""
    return Reply(status, orjson.dumps({"error": {"message": message, "path": path}}), headers=headers)


def invalid_plan(error: ValidationError) -> Reply:
    """Return a 400 that names the key path of everything that is wrong with a plan, the first one in the message."""
    wrong = [
        {
            "path": ".".join([str(part) for part in one["loc"]]),
            "message": one["msg"].removeprefix("Value error, "),
            "found": shown(one["input"]),
        }
        for one in error.errors(include_url=False)
    ]
    first = wrong[0]
    message = f"{first['path'] or 'the plan'}: {first['message']}"
    body = {"error": {"message": message, "path": first["path"], "problems": wrong}}
    return Reply(400, orjson.dumps(body))


def read_object(body: bytes, *keys: str) -> dict[str, Any]:
    """Read a JSON object with no keys but these. Raises `RefusedError`."""
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(problem(400, f"the body is not JSON: {error}")) from error
    if not isinstance(given, dict) or given.keys() - set(keys):
        raise RefusedError(
            problem(400, f"found {shown(given)}, expected an object with no key but {', '.join(keys)}")
        )
    return given


def read_plan(given: Any) -> Plan:
    """Read a plan from its JSON form. Raises `RefusedError` with a 400 that names the key path."""
    try:
        return Plan.model_validate(given)
    except ValidationError as error:
        raise RefusedError(invalid_plan(error)) from error


def is_time(value: object) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def shown(value: object) -> str:
    """Return a value as text for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
