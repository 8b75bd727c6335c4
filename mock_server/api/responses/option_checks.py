"""Every field of a request to the Responses API, each with its check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

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
    integer,
    mapping,
    objects,
    one_of,
    string,
)

NEAR: Final = 2
"""Edits (insert, delete, replace) within which an unknown name is taken for a misspelt one."""

INCLUDABLE: Final = (
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
)


def members(**checks: Check) -> Check:
    """An object with these members and no others."""

    def check(name: str, value: Any) -> ApiError | None:
        problem = mapping(name, value)
        if problem is not None:
            return problem
        for member, inner in value.items():
            known = checks.get(member)
            param = f"{name}.{member}"
            if known is None:
                return unknown_parameter(param)
            problem = None if inner is None else known(param, inner)
            if problem is not None:
                return problem
        return None

    return check


def reference(name: str, value: Any) -> ApiError | None:
    """An id, or an object with one."""
    if isinstance(value, str):
        return None
    if not isinstance(value, dict):
        return invalid_type(name, "a string or an object", value)
    ident = value.get("id")
    return string(f"{name}.id", ident) if ident is not None else missing_parameter(f"{name}.id")


def includes(name: str, value: Any) -> ApiError | None:
    """A list of what an answer is to hold besides the usual."""
    if not isinstance(value, list):
        return invalid_type(name, "an array of strings", value)
    for at, entry in enumerate(value):
        if entry not in INCLUDABLE:
            return invalid_value(f"{name}[{at}]", entry, INCLUDABLE)
    return None


FIELDS: Final[dict[str, Check]] = {
    **COMMON,
    "access_programs": members(cyber=one_of("standard", "daybreak_blue", "daybreak_red")),
    "background": boolean,
    "context_management": objects,
    "conversation": reference,
    "image": members(context_compression=one_of("auto", "enabled", "disabled")),
    "include": includes,
    "input": anything,
    "instructions": string,
    "max_output_tokens": integer(16),
    "max_tool_calls": integer(1),
    "moderation": members(model=string, policy=mapping),
    "previous_response_id": string,
    "prompt": members(id=string, variables=mapping, version=string),
    "prompt_cache_key": string,
    "prompt_cache_options": members(
        comparison_response_id=string,
        mode=one_of("implicit", "explicit"),
        prewarm=boolean,
        ttl=one_of("30m", "12h"),
    ),
    "prompt_cache_retention": one_of("in_memory", "24h"),
    "reasoning": members(
        context=one_of("auto", "current_turn", "all_turns"),
        effort=one_of("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        generate_summary=one_of("concise", "detailed", "auto"),
        mode=string,
        summary=one_of("concise", "detailed", "auto"),
    ),
    "service_tier": one_of("auto", "default", "flex", "scale", "priority", "fast", "ultrafast"),
    "stream_options": members(include_obfuscation=boolean),
    "text": members(format=mapping, verbosity=one_of("low", "medium", "high")),
    "tool_choice": anything,
    "tools": anything,
    "top_logprobs": integer(0, 20),
    "truncation": one_of("auto", "disabled"),
}
"""`responses.create`."""

COUNTED: Final[dict[str, Check]] = {
    **{
        name: FIELDS[name]
        for name in (
            *("conversation", "input", "instructions", "model", "parallel_tool_calls"),
            *("previous_response_id", "reasoning", "text", "tool_choice", "tools", "truncation"),
        )
    },
    "personality": string,
}
"""`responses.input_tokens.count`."""

COMPACTED: Final[dict[str, Check]] = {
    name: FIELDS[name]
    for name in (
        *("image", "input", "instructions", "model", "previous_response_id", "prompt_cache_key"),
        *("prompt_cache_options", "prompt_cache_retention", "service_tier"),
    )
}
"""`responses.compact`."""


def unknown_field(body: Mapping[str, Any], known: Mapping[str, Check]) -> ApiError | None:
    """400 for the first field that the endpoint does not have, with the names that it may have meant.

    They are those within two edits that the request does not hold already, nearest first.
    """
    if body.keys() <= known.keys():
        return None
    found = next(name for name in body if name not in known)
    near = sorted(
        (edits, name) for name in known if name not in body and (edits := _edits(found, name)) <= NEAR
    )
    return unknown_parameter(found, [name for _, name in near])


def unknown_parameter(param: str, near: list[str] | None = None) -> ApiError:
    """400 for a field that does not exist; `near` are names that may have been meant."""
    hint = f" Did you mean {' or '.join([repr(name) for name in near])}?" if near else ""
    message = f"Unknown parameter: '{param}'.{hint}"
    return ApiError(400, message, INVALID_REQUEST, param, "unknown_parameter")


def _edits(one: str, other: str) -> int:
    """The Levenshtein distance of two names; more than `NEAR` where their lengths alone say so."""
    if abs(len(one) - len(other)) > NEAR:
        return NEAR + 1
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        before, row[0] = row[0], at
        for to, wanted in enumerate(other, 1):
            before, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, before + (letter != wanted))
    return row[-1]
