"""Check the body of an embeddings request, and count its input."""

from __future__ import annotations

from typing import Any, Final

from windtunnel.mock_server.api.embeddings.wire import DIMENSIONS, inputs_of
from windtunnel.mock_server.api.errors import ApiError, invalid_type, missing_parameter, out_of_range
from windtunnel.mock_server.api.fields import Check, anything, check_fields, integer, one_of, string, too_long
from windtunnel.mock_server.api.text import tokens_in

MOST_INPUTS: Final = 2048
MOST_TOKENS: Final = 300_000
"""Tokens of one request, over all its inputs."""
MOST_TOKENS_EACH: Final = 8192

FIELDS: Final[dict[str, Check]] = {
    "model": string,
    "user": string,
    "input": anything,
    "encoding_format": one_of("float", "base64"),
    "dimensions": integer(1),
}


def check_embeddings(body: dict[str, Any]) -> ApiError | int:
    """Return the input's tokens, or the first error of the body."""
    if body.get("model") is None:
        return ApiError(400, "you must provide a model parameter")
    problem = check_fields(body, FIELDS, closed=True)
    if problem is None and body.get("input") is None:
        problem = missing_parameter("input")
    problem = problem or _dimensions(body["model"], body.get("dimensions")) or _input_shape(body["input"])
    if problem is not None:
        return problem
    sizes = [tokens_in(item) if isinstance(item, str) else len(item) for item in inputs_of(body)]
    return _too_much(sizes) or sum(sizes)


def _too_much(sizes: list[int]) -> ApiError | None:
    """The error for an input, or inputs, with too many tokens."""
    total, longest = sum(sizes), max(sizes)
    if longest > MOST_TOKENS_EACH:
        message = (
            f"This model's maximum context length is {MOST_TOKENS_EACH} tokens, however you requested "
            f"{longest} tokens ({longest} in your prompt; 0 for the completion). Please reduce your prompt; or "
            "completion length."
        )
        return ApiError(400, message)
    if total > MOST_TOKENS:
        message = f"Requested {total} tokens, max {MOST_TOKENS} tokens per request"
        return ApiError(
            400, f"Invalid 'input': {message}.", "max_tokens_per_request", None, "max_tokens_per_request"
        )
    return None


def _dimensions(model: str, wanted: int | None) -> ApiError | None:
    if wanted is None:
        return None
    if model == "text-embedding-ada-002":
        return ApiError(400, "This model does not support specifying dimensions.")
    most = DIMENSIONS.get(model, 4096)
    return out_of_range("dimensions", wanted, maximum=most) if wanted > most else None


def _input_shape(given: Any) -> ApiError | None:
    """One string, strings, one list of tokens, or lists of tokens; none of them empty."""
    if isinstance(given, str):
        return _bad_input() if not given else None
    if not isinstance(given, list):
        return invalid_type("input", "a string or an array of strings or tokens", given)
    if not given:
        return _bad_input()
    if _is_tokens(given):
        return None
    if len(given) > MOST_INPUTS:
        return too_long("input", MOST_INPUTS, len(given))
    if all(isinstance(item, str) and item for item in given):
        return None
    if all(isinstance(item, list) and item and _is_tokens(item) for item in given):
        return None
    return _bad_input()


def _is_tokens(items: list[Any]) -> bool:
    return all(type(item) is int and item >= 0 for item in items)


def _bad_input() -> ApiError:
    message = "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
    return ApiError(400, message)
