"""Take the fields of other servers out of a body, so that tools written for a vLLM can call the mock.

A check says which field it does not know; that one is removed and the body is checked again, until it is right or
wrong for another reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from windtunnel.mock_server.api.errors import ApiError

MOST_FIELDS: Final = 64
"""Fields that are removed from one body; every one takes another check of all of it."""

_UNKNOWN: Final = "unknown_parameter"


def without_unknown(
    body: dict[str, Any], check: Callable[[dict[str, Any]], ApiError | int], problem: ApiError | int
) -> ApiError | int:
    """Remove what the check does not know from `body`; returns what it then says. `problem` is what it said first.

    Of `max_tokens` and `max_completion_tokens`, which exclude each other for OpenAI alone, the second one counts.
    """
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        del body["max_tokens"]
        problem = check(body)
    for _ in range(MOST_FIELDS):
        if not isinstance(problem, ApiError) or problem.code != _UNKNOWN or problem.param is None:
            break
        if not _removed(body, problem.param):
            break
        problem = check(body)
    return problem


def _removed(body: dict[str, Any], param: str) -> bool:
    """Remove the field at a path such as `stream_options.continuous_usage_stats`; False if it is not there."""
    holder: Any = body
    if param in body:
        del body[param]
        return True
    *outer, last = param.split(".")
    for name in outer:
        holder = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(holder, dict) and last in holder:
        del holder[last]
        return True
    return False
