"""Check the body of a legacy completion request, and count its prompts."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from windtunnel.mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    context_length_exceeded,
    empty_array,
    invalid_type,
)
from windtunnel.mock_server.api.fields import (
    Check,
    anything,
    boolean,
    check_fields,
    integer,
    mapping,
    number,
    stop_sequences,
    stream_options,
    string,
    too_long,
)
from windtunnel.mock_server.api.text import tokens_in

MOST_PROMPTS: Final = 2048
MOST_CHOICES: Final = 2048
"""Choices of all prompts together, also those that `best_of` leaves out."""

MOST_ECHOED: Final = 50_000
"""Tokens of prompts that are repeated in the answer."""

Prompt: TypeAlias = str | list[int]

FIELDS: Final[dict[str, Check]] = {
    "model": string,
    "prompt": anything,
    "best_of": integer(1, 20),
    "echo": boolean,
    "frequency_penalty": number(-2, 2),
    "logit_bias": mapping,
    "logprobs": integer(0, 5),
    "max_tokens": integer(0),
    "n": integer(1, 128),
    "presence_penalty": number(-2, 2),
    "seed": integer(-(2**63), 2**63 - 1),
    "stop": stop_sequences,
    "stream": boolean,
    "stream_options": mapping,
    "suffix": string,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "user": string,
}


def prompts_of(body: dict[str, Any]) -> list[Prompt]:
    """The prompts: one string, strings, one list of tokens, or lists of tokens; none at all is an empty one."""
    given = body.get("prompt")
    if given is None:
        return [""]
    return [given] if isinstance(given, str) or isinstance(given[0], int) else given


def check_completions(body: dict[str, Any]) -> ApiError | int:
    """Return the prompts' tokens, or the first error of the body."""
    if body.get("model") is None:
        return ApiError(400, "you must provide a model parameter")
    problem = check_fields(body, FIELDS, closed=True) or stream_options(body)
    problem = problem or _prompt(body.get("prompt")) or _candidates(body)
    if problem is not None:
        return problem
    tokens = sum([tokens_in(item) if isinstance(item, str) else len(item) for item in prompts_of(body)])
    return _too_much(body, tokens) or tokens


def _too_much(body: dict[str, Any], tokens: int) -> ApiError | None:
    """More choices, or more of the prompt repeated in them, than this server makes for one request."""
    each = body.get("n") or 1
    choices = len(prompts_of(body)) * (body.get("best_of") or each)
    if choices > MOST_CHOICES:
        message = (
            f"You requested {choices} choices for all prompts together, at most {MOST_CHOICES} are made."
        )
        return ApiError(400, message, INVALID_REQUEST, "n")
    if body.get("echo") and tokens * each > MOST_ECHOED:
        return context_length_exceeded(limit=MOST_ECHOED, requested=tokens * each)
    return None


def _prompt(given: Any) -> ApiError | None:
    if given is None or isinstance(given, str):
        return None
    if not isinstance(given, list):
        return invalid_type("prompt", "a string or an array of strings or tokens", given)
    if not given:
        return empty_array("prompt")
    if _is_tokens(given):
        return None
    if len(given) > MOST_PROMPTS:
        return too_long("prompt", MOST_PROMPTS, len(given))
    if all(isinstance(item, str) for item in given):
        return None
    if all(isinstance(item, list) and item and _is_tokens(item) for item in given):
        return None
    return invalid_type("prompt", "a string or an array of strings or tokens", given)


def _is_tokens(items: list[Any]) -> bool:
    return all(type(item) is int and item >= 0 for item in items)


def _candidates(body: dict[str, Any]) -> ApiError | None:
    """Whether `best_of` fits the number of choices and the form of the answer."""
    best_of, count = body.get("best_of"), body.get("n") or 1
    if best_of is None:
        return None
    if best_of < count:
        message = (
            "You requested that the server return more choices than it will generate (HINT: you must set "
            f"'n' (currently {count}) to be at most 'best_of' (currently {best_of}), or omit either parameter "
            "if you don't specifically want to use them.)"
        )
        return ApiError(400, message, INVALID_REQUEST, "best_of")
    if best_of > count and body.get("stream"):
        message = (
            "You requested that the server stream results, which 'best_of' greater than 'n' does not allow."
        )
        return ApiError(400, message, INVALID_REQUEST, "best_of")
    return None
