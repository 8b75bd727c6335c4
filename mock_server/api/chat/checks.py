"""Check the body of a chat completion request, and count its prompt."""

from __future__ import annotations

from typing import Any, Final

from windtunnel.mock_server.api.chat.option_checks import (
    audio,
    logit_bias,
    modalities,
    moderation,
    options_together,
    prediction,
    web_search,
)
from windtunnel.mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    invalid_type,
    invalid_value,
    missing_parameter,
)
from windtunnel.mock_server.api.fields import (
    COMMON,
    Check,
    anything,
    boolean,
    check_fields,
    integer,
    mapping,
    number,
    objects,
    one_of,
    stop_sequences,
    stream_options,
    string,
)
from windtunnel.mock_server.api.text import tokens_in
from windtunnel.mock_server.api.tools.checks import check_format, check_functions, check_tools, tool_tokens

PARTS: Final = ("text", "image_url", "input_audio", "refusal", "audio", "file")
"""Kinds of parts that a message may be made of."""
ROLES: Final = ("system", "assistant", "user", "function", "tool", "developer")
IMAGE_TOKENS: Final = 85
"""What a picture (or a sound, or a file) in a message counts as, whatever its size."""

_SHAPING: Final = frozenset(("tools", "tool_choice", "functions", "function_call", "response_format"))
_OPTIONS: Final = frozenset(
    (
        "stream_options",
        "max_completion_tokens",
        "max_tokens",
        "top_logprobs",
        "modalities",
        "parallel_tool_calls",
    )
)
"""Fields that exclude or need others."""
EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
FIELDS: Final[dict[str, Check]] = {
    **COMMON,
    "messages": anything,
    "n": integer(1, 128),
    "max_tokens": integer(1),
    "max_completion_tokens": integer(1),
    "stop": stop_sequences,
    "stream_options": mapping,
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
    "logprobs": boolean,
    "top_logprobs": integer(0, 20),
    "logit_bias": logit_bias,
    "seed": integer(-(2**63), 2**63 - 1),
    "tools": anything,
    "tool_choice": anything,
    "functions": anything,
    "function_call": anything,
    "response_format": anything,
    "modalities": modalities,
    "audio": audio,
    "prediction": prediction,
    "web_search_options": web_search,
    "moderation": moderation,
    "reasoning_effort": one_of(*EFFORTS),
    "verbosity": one_of("low", "medium", "high"),
    "prompt_cache_key": string,
    "prompt_cache_options": mapping,
    "prompt_cache_retention": one_of("in_memory", "24h"),
}


def check_chat(body: dict[str, Any]) -> ApiError | int:
    """Return the prompt's tokens (4 characters each, per text), or the first error of the body."""
    if body.get("model") is None:
        return ApiError(400, "you must provide a model parameter")
    problem = check_fields(body, FIELDS, closed=True)
    if problem is None and "messages" not in body:
        problem = missing_parameter("messages")
    if problem is None:
        problem = objects("messages", body["messages"])
    if problem is None and not _OPTIONS.isdisjoint(body):
        problem = _together(body)
    if problem is not None:
        return problem
    tokens = _messages(body["messages"])
    if isinstance(tokens, ApiError) or _SHAPING.isdisjoint(body):
        return tokens
    problem = check_tools(body, chat=True) or check_functions(body) or check_format(body, chat=True)
    return problem or tokens + tool_tokens(body)


def _together(body: dict[str, Any]) -> ApiError | None:
    """Check fields that exclude or need one another."""
    problem = stream_options(body) or options_together(body)
    if problem is not None:
        return problem
    if body.get("parallel_tool_calls") is not None and not body.get("tools"):
        message = "'parallel_tool_calls' is only allowed when 'tools' are specified."
        return ApiError(400, message, INVALID_REQUEST, "parallel_tool_calls")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        return ApiError(400, message, INVALID_REQUEST, "max_tokens", "invalid_parameter_combination")
    return None


def _messages(messages: list[dict[str, Any]]) -> ApiError | int:
    tokens = 0
    expected: list[str] = []
    for at, message in enumerate(messages):
        role = message.get("role")
        if role not in ROLES:
            return _bad_role(at, message)
        if expected and role != "tool":
            return _unanswered(at, expected)
        if role == "tool":
            problem = _tool_result(at, message, expected)
            if problem is not None:
                return problem
        content = message.get("content")
        if isinstance(content, str):
            tokens += tokens_in(content)
        else:
            counted = _parts(at, message, content)
            if isinstance(counted, ApiError):
                return counted
            tokens += counted
        if message.get("tool_calls"):
            expected = [call.get("id", "") for call in message["tool_calls"] if isinstance(call, dict)]
    return _unanswered(len(messages), expected) if expected else tokens


def _bad_role(at: int, message: dict[str, Any]) -> ApiError:
    param = f"messages[{at}].role"
    if "role" not in message:
        return missing_parameter(param)
    if not isinstance(message["role"], str):
        return invalid_type(param, "a string", message["role"])
    return invalid_value(param, message["role"], ROLES)


def _parts(at: int, message: dict[str, Any], content: Any) -> ApiError | int:
    """Tokens of a content that is not a plain string: a list of parts, or null beside a call."""
    param = f"messages[{at}].content"
    if content is None:
        if message["role"] == "assistant" and (message.get("tool_calls") or message.get("function_call")):
            return 0
        if message["role"] == "assistant" and message.get("refusal"):
            return 0
        if "content" not in message:
            return missing_parameter(param)
        detail = "Invalid value for 'content': expected a string, got null."
        return ApiError(400, detail, INVALID_REQUEST, f"messages.[{at}].content")
    if not isinstance(content, list):
        return invalid_type(param, "a string or an array of objects", content)
    tokens = 0
    for position, part in enumerate(content):
        if not isinstance(part, dict):
            return invalid_type(f"{param}[{position}]", "an object", part)
        kind = part.get("type")
        if not isinstance(kind, str):
            return missing_parameter(f"{param}[{position}].type")
        if kind not in PARTS:
            return invalid_value(f"{param}[{position}].type", kind, PARTS)
        text = part.get("text") if kind == "text" else None
        if kind == "text" and not isinstance(text, str):
            return invalid_type(f"{param}[{position}].text", "a string", text)
        tokens += tokens_in(text) if isinstance(text, str) else IMAGE_TOKENS
    return tokens


def _tool_result(at: int, message: dict[str, Any], expected: list[str]) -> ApiError | None:
    """Remove the call that a tool message answers from those `expected`."""
    ident = message.get("tool_call_id")
    param = f"messages.[{at}].tool_call_id"
    if ident is None:
        detail = "Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'."
        return ApiError(400, detail, INVALID_REQUEST, param)
    if not isinstance(ident, str) or ident not in expected:
        detail = (
            "Invalid parameter: messages with role 'tool' must be a response to a preceding message "
            "with 'tool_calls'."
        )
        return ApiError(400, detail, INVALID_REQUEST, f"messages.[{at}].role")
    expected.remove(ident)
    return None


def _unanswered(at: int, expected: list[str]) -> ApiError:
    detail = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(expected)}"
    )
    return ApiError(400, detail, INVALID_REQUEST, f"messages.[{at}].role")
