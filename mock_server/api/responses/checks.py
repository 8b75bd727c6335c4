"""Check the body of a Responses request, and count its input."""

from __future__ import annotations

from typing import Any, Final

from windtunnel.mock_server.api.errors import (
    INVALID_REQUEST,
    ApiError,
    invalid_type,
    invalid_value,
    missing_parameter,
)
from windtunnel.mock_server.api.fields import check_fields
from windtunnel.mock_server.api.responses.option_checks import COMPACTED, COUNTED, FIELDS, unknown_field
from windtunnel.mock_server.api.responses.tool_checks import check_response_tools
from windtunnel.mock_server.api.text import tokens_in
from windtunnel.mock_server.api.tools.checks import check_format, tool_tokens

PART_TOKENS: Final = 85
"""What a part of the input that holds no text counts as (a picture, a file)."""

ITEMS: Final[dict[str, tuple[str, ...]]] = {
    "additional_tools": ("tools",),
    "apply_patch_call": ("call_id", "operation"),
    "apply_patch_call_output": ("call_id", "status"),
    "code_interpreter_call": ("id", "container_id"),
    "compaction": ("encrypted_content",),
    "compaction_trigger": (),
    "computer_call": ("call_id",),
    "computer_call_output": ("call_id", "output"),
    "configuration_update": (),
    "custom_tool_call": ("call_id", "input", "name"),
    "custom_tool_call_output": ("call_id", "output"),
    "file_search_call": ("id", "queries"),
    "function_call": ("arguments", "call_id", "name"),
    "function_call_output": ("call_id", "output"),
    "image_generation_call": ("id",),
    "item_reference": ("id",),
    "local_shell_call": ("id", "action", "call_id"),
    "local_shell_call_output": ("id", "output"),
    "mcp_approval_request": ("id", "arguments", "name", "server_label"),
    "mcp_approval_response": ("approval_request_id", "approve"),
    "mcp_call": ("id", "arguments", "name", "server_label"),
    "mcp_list_tools": ("id", "server_label", "tools"),
    "message": (),
    "program": ("id", "call_id", "code", "fingerprint"),
    "program_output": ("id", "call_id", "result", "status"),
    "reasoning": ("summary",),
    "shell_call": ("action", "call_id"),
    "shell_call_output": ("call_id", "output"),
    "tool_search_call": ("arguments",),
    "tool_search_output": ("tools",),
    "web_search_call": ("id", "action"),
}
"""Every type of input item, and what it must hold besides its type."""

_SAID: Final = ("output", "arguments", "input", "encrypted_content", "code")
"""Members of items other than messages that hold text."""

_SHAPING: Final = frozenset(("tools", "tool_choice", "text", "stream_options", "conversation", "background"))
"""Fields with checks beyond their own."""


def check_responses(body: dict[str, Any]) -> ApiError | int:
    """Return the input's tokens (4 characters each, per text), or the first error of the body."""
    if body.get("model") is None and body.get("prompt") is None:
        return missing_parameter("model")
    problem = unknown_field(body, FIELDS) or check_fields(body, FIELDS)
    if problem is None and not _SHAPING.isdisjoint(body):
        problem = _together(body) or check_response_tools(body) or check_format(body, chat=False)
    return problem or _counted(body)


def check_input_tokens(body: dict[str, Any]) -> ApiError | int:
    """The same for a request that only asks how long its input is; nothing of it is required."""
    problem = unknown_field(body, COUNTED) or check_fields(body, COUNTED)
    if problem is None:
        problem = _together(body) or check_response_tools(body) or check_format(body, chat=False)
    return problem or (0 if body.get("input") is None else _counted(body))


def check_compact(body: dict[str, Any]) -> ApiError | int:
    """The same for a request to compact a conversation."""
    if body.get("model") is None:
        return missing_parameter("model")
    return unknown_field(body, COMPACTED) or check_fields(body, COMPACTED) or _counted(body)


def _together(body: dict[str, Any]) -> ApiError | None:
    """Check fields that exclude or need one another."""
    if body.get("conversation") is not None and body.get("previous_response_id") is not None:
        message = (
            "Mutually exclusive parameters: ''. Ensure you are only providing one of: 'pre..._id' or "
            "'conversation'."
        )
        return ApiError(400, message, INVALID_REQUEST, None, "mutually_exclusive_parameters")
    if body.get("stream_options") is not None and not body.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        return ApiError(400, message, INVALID_REQUEST, "stream_options")
    if body.get("background") and body.get("store") is False:
        message = "The 'background' parameter is only allowed when 'store' is true."
        return ApiError(400, message, INVALID_REQUEST, "background", "unsupported_parameter")
    return None


def _counted(body: dict[str, Any]) -> ApiError | int:
    tokens = _input_tokens(body)
    if isinstance(tokens, ApiError):
        return tokens
    instructions = body.get("instructions")
    return tokens + tool_tokens(body) + (tokens_in(instructions) if isinstance(instructions, str) else 0)


def _input_tokens(body: dict[str, Any]) -> ApiError | int:
    given = body.get("input")
    if isinstance(given, str):
        return tokens_in(given)
    if not given and given in (None, []):
        if any(body.get(name) for name in ("previous_response_id", "prompt", "conversation")):
            return 0
        message = (
            "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be provided."
        )
        return ApiError(400, message, INVALID_REQUEST, None, "missing_required_parameter")
    if not isinstance(given, list):
        return invalid_type("input", "one of a string or array of input items", given)
    return items_tokens("input", given)


def items_tokens(name: str, items: list[Any]) -> ApiError | int:
    """Return the tokens of a list of items, or the error of the first that is wrong."""
    tokens = 0
    for at, item in enumerate(items):
        counted = _item_tokens(f"{name}[{at}]", item)
        if isinstance(counted, ApiError):
            return counted
        tokens += counted
    return tokens


def _item_tokens(param: str, item: Any) -> ApiError | int:
    if not isinstance(item, dict):
        return invalid_type(param, "an input item", item)
    ident = item.get("id")
    if ident is not None and not isinstance(ident, str):
        return invalid_type(f"{param}.id", "a string", ident)
    kind = item.get("type") or ("item_reference" if item.keys() == {"id"} else "message")
    if kind != "message":
        return _other_tokens(param, kind, item)
    role = item.get("role")
    if role is None:
        return missing_parameter(f"{param}.role")
    if role not in ("assistant", "system", "developer", "user"):
        return invalid_value(param, role, ("assistant", "system", "developer", "user"))
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
        if not isinstance(part.get("type"), str):
            return missing_parameter(f"{param}.content[{at}].type")
        text = part.get("text", part.get("refusal"))
        if text is None and part["type"] in ("input_text", "output_text"):
            return missing_parameter(f"{param}.content[{at}].text")
        tokens += tokens_in(text) if isinstance(text, str) else PART_TOKENS
    return tokens


def _other_tokens(param: str, kind: Any, item: dict[str, Any]) -> ApiError | int:
    """Tokens of an item that is no message: a tool's call or result, reasoning, a reference."""
    required = ITEMS.get(kind) if isinstance(kind, str) else None
    if required is None:
        return invalid_value(param, kind if isinstance(kind, str) else "", ITEMS)
    for member in required:
        if item.get(member) is None:
            return missing_parameter(f"{param}.{member}")
    return sum([tokens_in(text) for name in _SAID if isinstance(text := item.get(name), str)])
