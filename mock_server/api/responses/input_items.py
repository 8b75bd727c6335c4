"""The items that went into a response or a conversation, as the API gives them back: with ids, in full form."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final, TypeAlias

Find: TypeAlias = Callable[[str], dict[str, Any] | None]
"""The stored item of an id."""

_PREFIXES: Final = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
    "computer_call": "cu",
    "computer_call_output": "cuo",
    "compaction": "cmp",
    "shell_call": "sh",
    "shell_call_output": "sho",
    "apply_patch_call": "apc",
    "apply_patch_call_output": "apco",
    "mcp_approval_response": "mcpa",
    "tool_search_call": "ts",
    "tool_search_output": "tso",
    "additional_tools": "at",
    "configuration_update": "cfg",
}

_FILLED: Final[dict[str, dict[str, Any]]] = {
    "message": {"status": "completed"},
    "function_call": {"status": "completed"},
    "function_call_output": {"status": "completed"},
    "custom_tool_call": {"status": "completed"},
    "custom_tool_call_output": {"status": "completed"},
    "computer_call": {"status": "completed", "pending_safety_checks": []},
    "computer_call_output": {"status": "completed"},
    "shell_call": {"status": "completed"},
    "shell_call_output": {"status": "completed"},
    "apply_patch_call": {"status": "completed"},
    "tool_search_call": {"status": "completed", "execution": "server"},
    "tool_search_output": {"status": "completed", "execution": "server"},
    "file_search_call": {"status": "completed"},
    "web_search_call": {"status": "completed"},
    "image_generation_call": {"status": "completed"},
    "code_interpreter_call": {"status": "completed"},
    "local_shell_call": {"status": "completed"},
}
"""What an item of a type has, where the client left it out."""


def input_items(given: Any, key: str, find: Find) -> list[dict[str, Any]]:
    """The items of an `input` that passed its checks, in order. Ids that they lack are hashes of `key` and place.

    References become what they refer to. What is no item of its own (a trigger, a reference to nothing) is left out.
    """
    if given is None:
        return []
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    items = []
    for at, one in enumerate(given):
        kind = one.get("type") or ("item_reference" if one.keys() == {"id"} else "message")
        if kind == "item_reference":
            found = find(one["id"])
            if found is not None:
                items.append(found)
        elif kind != "compaction_trigger":
            items.append(_full(one, kind, f"{key}/{at}"))
    return items


def references(given: Any) -> list[str]:
    """The ids of items that an `input` refers to."""
    if not isinstance(given, list):
        return []
    return [one["id"] for one in given if one.get("type") == "item_reference" or one.keys() == {"id"}]


def _full(item: dict[str, Any], kind: str, key: str) -> dict[str, Any]:
    ident = f"{_PREFIXES.get(kind, 'item')}_{blake2b(key.encode(), digest_size=24).hexdigest()}"
    full = {"id": ident, "type": kind, **_FILLED.get(kind, {})}
    full |= {name: value for name, value in item.items() if value is not None}
    if kind == "message":
        full["content"] = _content(item["role"], item["content"])
    return full


def _content(role: str, content: Any) -> list[dict[str, Any]]:
    """The parts of a message's content; a plain string is one of them."""
    if isinstance(content, str):
        content = [{"type": "output_text" if role == "assistant" else "input_text", "text": content}]
    return [_part(one) for one in content]


def _part(one: dict[str, Any]) -> dict[str, Any]:
    if one["type"] == "output_text":
        return {"annotations": [], "logprobs": [], **one}
    if one["type"] == "input_image":
        return {"detail": "auto", **one}
    return one
