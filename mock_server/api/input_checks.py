"""Whether the body of a Responses or an embeddings request is acceptable, and how long its input is."""

from __future__ import annotations

from typing import Any, Final

from mock_server.api.embeddings import DIMENSIONS, inputs_of
from mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    invalid_type,
    missing_parameter,
    out_of_range,
)
from mock_server.api.fields import (
    COMMON,
    Check,
    check_fields,
    integer,
    mapping,
    one_of,
    string,
    too_long,
)
from mock_server.api.text import tokens_in
from mock_server.api.tool_checks import check_format, check_tools, tool_tokens

PART_TOKENS: Final = 85
"""What a part of the input that holds no text counts as (a picture, a file)."""
MOST_INPUTS: Final = 2048

_RESPONSES: Final[dict[str, Check]] = {
    **COMMON,
    "max_output_tokens": integer(16),
    "max_tool_calls": integer(1),
    "previous_response_id": string,
    "truncation": one_of("auto", "disabled"),
    "reasoning": mapping,
    "text": mapping,
    "stream_options": mapping,
    "top_logprobs": integer(0, 20),
}
_EMBEDDINGS: Final[dict[str, Check]] = {
    "model": string,
    "user": string,
    "encoding_format": one_of("float", "base64"),
    "dimensions": integer(1),
}


def check_responses(body: dict[str, Any]) -> ApiError | int:
    """The input's tokens (4 characters each, per text), or what is wrong with the body."""
    if body.get("model") is None:
        return missing_parameter("model")
    problem = check_fields(body, _RESPONSES) or _unsupported(body)
    if problem is None:
        problem = check_tools(body, chat=False) or check_format(body, chat=False)
    if problem is not None:
        return problem
    tokens = _input_tokens(body)
    if isinstance(tokens, ApiError):
        return tokens
    instructions = body.get("instructions")
    return tokens + tool_tokens(body) + (tokens_in(instructions) if isinstance(instructions, str) else 0)


def _unsupported(body: dict[str, Any]) -> ApiError | None:
    if body.get("background"):
        message = "Unsupported parameter: 'background' is not supported with this model."
        return ApiError(400, message, INVALID_REQUEST, "background", "unsupported_parameter")
    return None


def _input_tokens(body: dict[str, Any]) -> ApiError | int:
    given = body.get("input")
    if isinstance(given, str):
        return tokens_in(given)
    if given is None:
        if any(body.get(name) for name in ("previous_response_id", "prompt", "conversation")):
            return 0
        message = (
            'One of "input" or "previous_response_id" or "prompt" or "conversation_id" must be provided.'
        )
        return ApiError(400, message, INVALID_REQUEST, None, "missing_required_parameter")
    if not isinstance(given, list):
        return invalid_type("input", "a string or an array of input items", given)
    tokens = 0
    for at, item in enumerate(given):
        counted = _item_tokens(f"input[{at}]", item)
        if isinstance(counted, ApiError):
            return counted
        tokens += counted
    return tokens


def _item_tokens(param: str, item: Any) -> ApiError | int:
    if not isinstance(item, dict):
        return invalid_type(param, "an input item", item)
    if item.get("type", "message") != "message":
        texts = [item.get(name) for name in ("output", "arguments", "input")]
        return sum(tokens_in(text) for text in texts if isinstance(text, str))
    if "role" not in item:
        return missing_parameter(f"{param}.role")
    content = item.get("content")
    if isinstance(content, str):
        return tokens_in(content)
    if content is None:
        return missing_parameter(f"{param}.content")
    if not isinstance(content, list):
        return invalid_type(f"{param}.content", "a string or an array of content parts", content)
    tokens = 0
    for at, part in enumerate(content):
        if not isinstance(part, dict):
            return invalid_type(f"{param}.content[{at}]", "an object", part)
        text = part.get("text")
        tokens += tokens_in(text) if isinstance(text, str) else PART_TOKENS
    return tokens


def check_embeddings(body: dict[str, Any]) -> ApiError | int:
    """The input's tokens, or what is wrong with the body."""
    if body.get("model") is None:
        return ApiError(400, "you must provide a model parameter")
    problem = check_fields(body, _EMBEDDINGS)
    if problem is None and body.get("input") is None:
        problem = missing_parameter("input")
    problem = problem or _dimensions(body["model"], body.get("dimensions")) or _input_shape(body["input"])
    if problem is not None:
        return problem
    return sum(tokens_in(item) if isinstance(item, str) else len(item) for item in inputs_of(body))


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
    return all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in items)


def _bad_input() -> ApiError:
    message = "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
    return ApiError(400, message)
