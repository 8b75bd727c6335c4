"""Choose the tool that an answer calls, and generate its arguments.

A tool is called when the request forces one (`tool_choice` names it, or is `required`), or when it merely
offers some and the plan says `tool_calls: offered`, as OpenAI's models do. Once the request holds a tool's result the
answer is text, unless a tool is forced, so an agent's loop ends; where one is forced, and some tool is there to end
with (`final_result` and the like), it is called then, and not before. The plan's `tool_calls: never` overrides all
of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.json_schema.values import instance_text
from windtunnel.mock_server.api.text import prose

_ENDING = re.compile(r"(?:^|_)(final|finish|submit|done|complete)(?:_|$)", re.IGNORECASE)
"""Names of tools by which agents' frameworks let an answer be given: `final_result`, `final_answer`, `finish`."""

MOST_CALLS = 4
"""Tool calls of one choice."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as either API describes it: a function with a JSON schema, or a custom tool that takes text."""

    name: str
    kind: Literal["function", "custom"]
    parameters: dict[str, Any] | None = None

    def arguments(self, draws: Draws, *, share: int = 1) -> str:
        """Raw arguments: a JSON object that is valid against the tool's schema, or free text.

        `share` is how many such values the answer has: together they may take as much work as a single one.
        """
        if self.kind == "custom":
            return prose(draws.raw(draws.between(4, 16)))
        if not self.parameters:
            return "{}"
        return instance_text(self.parameters, draws, share=share)


def read_tool(tool: dict[str, Any], *, chat: bool) -> Tool | None:
    """One entry of `tools`, or None for a tool that the provider runs itself (web search and the like)."""
    kind = tool.get("type")
    if kind not in ("function", "custom"):
        return None
    inner = tool.get(kind) if chat else tool
    if not isinstance(inner, dict):
        return None
    return Tool(inner["name"], kind, inner.get("parameters"))


def chosen_tool(body: dict[str, Any], draws: Draws, *, tool_calls: str, chat: bool) -> Tool | None:
    """The tool that the answer calls, or None for an answer in words."""
    if tool_calls == "never" or not body.get("tools"):
        return None
    tools = [tool for entry in body["tools"] if (tool := read_tool(entry, chat=chat)) is not None]
    choice = body.get("tool_choice") or "auto"
    forced = choice == "required"
    if isinstance(choice, dict):
        names, forced = _named(choice, chat=chat)
        tools = [tool for tool in tools if tool.name in names]
    over = holds_result(body, chat=chat)
    offered = choice != "none" and tool_calls == "offered" and not over
    if not tools or not (forced or offered):
        return None
    fitting = [tool for tool in tools if (_ENDING.search(tool.name) is not None) is over]
    return draws.pick(fitting or tools)


def further_tools(body: dict[str, Any], first: Tool, *, chat: bool) -> list[Tool]:
    """The tools that the answer calls besides `first`: none, unless the request says `parallel_tool_calls: true`.

    Then every other tool that may be called, up to `MOST_CALLS` calls in all, and a lone tool a second time.
    (The parameter is true by default, but an answer with several calls comes only where it is written out.)
    """
    choice = body.get("tool_choice") or "auto"
    if body.get("parallel_tool_calls") is not True:
        return []
    tools = [tool for entry in body["tools"] if (tool := read_tool(entry, chat=chat)) is not None]
    if isinstance(choice, dict):
        if choice.get("type") != "allowed_tools":
            return []
        names, _ = _named(choice, chat=chat)
        tools = [tool for tool in tools if tool.name in names]
    return [tool for tool in tools if tool != first][: MOST_CALLS - 1] or [first]


def _named(choice: dict[str, Any], *, chat: bool) -> tuple[set[str], bool]:
    """The names that a `tool_choice` object allows, and whether one of them must be called."""
    if choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools", {}) if chat else choice
        entries = allowed.get("tools", [])
        return {tool_name(entry, chat=chat) for entry in entries}, allowed.get("mode") == "required"
    return {tool_name(choice, chat=chat)}, True


def tool_name(entry: dict[str, Any], *, chat: bool) -> str:
    """The name in a tool or in a reference to one; empty if there is none."""
    inner = entry.get(entry.get("type", "")) if chat else entry
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else ""


def holds_result(body: dict[str, Any], *, chat: bool) -> bool:
    """Whether the request holds what a tool gave back: who asked for it goes on from there."""
    turns = body.get("messages" if chat else "input")
    if not isinstance(turns, list):
        return False
    given = [turn for turn in turns if isinstance(turn, dict)]
    if chat:
        return any(turn.get("role") in ("tool", "function") for turn in given)
    return any(
        str(turn.get("type", "")).endswith("_call_output") or turn.get("type") == "mcp_approval_response"
        for turn in given
    )


def legacy_function(body: dict[str, Any], draws: Draws, *, tool_calls: str) -> Tool | None:
    """The function that the answer calls by the older `functions` / `function_call` fields."""
    functions = body.get("functions")
    if tool_calls == "never" or not functions:
        return None
    tools = [Tool(entry["name"], "function", entry.get("parameters")) for entry in functions]
    choice = body.get("function_call") or "auto"
    if isinstance(choice, dict):
        return next((tool for tool in tools if tool.name == choice.get("name")), None)
    offered = choice == "auto" and tool_calls == "offered" and not holds_result(body, chat=True)
    return draws.pick(tools) if offered else None
