"""Build the script of a status error: head, body, end, and its retry headers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from windtunnel.mock_server.api.errors import ApiError
from windtunnel.mock_server.api.headers import JSON
from windtunnel.mock_server.faults.base import (
    ALL_APIS,
    FaultContext,
    FaultKind,
    Headers,
    Layer,
    Stage,
    with_content_type,
)
from windtunnel.mock_server.faults.retry import RetryParams, replaced, retry_headers
from windtunnel.mock_server.request import APIS
from windtunnel.mock_server.script import End, Head, Script, Send

POSTS: tuple[str, ...] = tuple([api for api in APIS if api != "models"])
"""The APIs that are asked with a body, somewhere."""


def answer(
    status: int,
    body: bytes,
    headers: Headers,
    params: RetryParams,
    ctx: FaultContext,
    wait: float | None = None,
) -> Script:
    """Return a whole answer with the retry headers of `params`; without any, it says `wait` seconds.

    With status 401 nobody knows whose limits they would be, so it has none of their headers.
    """
    if status == 401:
        headers = tuple([header for header in headers if not header[0].startswith("x-ratelimit-")])
    added = (*retry_headers(params, ctx, wait), *params.headers.items())
    head = Head(status, replaced(headers, added))
    return Script((head, Send(body, role="terminal"), End()) if body else (head, End()))


def error(problem: ApiError, params: RetryParams, ctx: FaultContext, wait: float | None = None) -> Script:
    """An error in OpenAI's form with the headers of every answer."""
    return answer(problem.status, problem.body(), with_content_type(ctx.headers, JSON), params, ctx, wait)


@dataclass(frozen=True, slots=True)
class FixedError:
    """An error that is the same for every request."""

    problem: ApiError

    def __call__(self, script: Script, params: RetryParams, ctx: FaultContext) -> Script:
        return error(self.problem, params, ctx)


def status_kind(
    name: str,
    problem: ApiError | Callable[[Script, Any, FaultContext], Script],
    about: str,
    *,
    example: str = "",
    seen: Literal["V", "U"] = "V",
    params: type[RetryParams] = RetryParams,
    apis: tuple[str, ...] = ALL_APIS,
    stage_of: Callable[[Any], Stage] | None = None,
    layer: Layer = "content",
) -> FaultKind:
    """A row of the table of status errors: a fixed error, or a function that makes one. `example` is what a rule has
    beside the fault's name."""
    return FaultKind(
        name=name,
        family="status",
        stage="edge",
        params=params,
        about=about,
        apply=FixedError(problem) if isinstance(problem, ApiError) else problem,
        seen=seen,
        example=f"{{fault: {name}, {example or 'rate: 0.1'}}}",
        apis=apis,
        stage_of=stage_of,
        layer=layer,
    )
