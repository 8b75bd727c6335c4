"""Check the tools of a Responses request: the provider's own, and the choice among them."""

from __future__ import annotations

from typing import Any, Final

from windtunnel.mock_server.api.errors import INVALID_REQUEST, ApiError, invalid_value, missing_parameter
from windtunnel.mock_server.api.tools.checks import check_tools

TOOLS: Final[dict[str, tuple[str, ...]]] = {
    "function": (),
    "file_search": ("vector_store_ids",),
    "computer": (),
    "computer_use_preview": ("display_height", "display_width", "environment"),
    "web_search": (),
    "web_search_2025_08_26": (),
    "mcp": ("server_label",),
    "code_interpreter": ("container",),
    "programmatic_tool_calling": (),
    "image_generation": (),
    "local_shell": (),
    "shell": (),
    "custom": (),
    "namespace": ("description", "name", "tools"),
    "tool_search": (),
    "web_search_preview": (),
    "web_search_preview_2025_03_11": (),
    "apply_patch": (),
}
"""Every type of tool, and what an entry must hold besides its type (names of functions are checked elsewhere)."""

FAMILIES: Final = {
    "web_search_2025_08_26": "web_search",
    "web_search_preview": "web_search",
    "web_search_preview_2025_03_11": "web_search",
    "computer_use_preview": "computer",
    "computer_use": "computer",
}
"""Types that are another name for a tool, or an older version of it."""


def family(kind: Any) -> str:
    """The tool that a type stands for, whatever its version."""
    return FAMILIES.get(kind, kind) if isinstance(kind, str) else ""


def check_response_tools(body: dict[str, Any]) -> ApiError | None:
    """`tools` and `tool_choice` of a Responses request."""
    problem = check_tools(body, chat=False)
    if problem is not None:
        return problem
    tools = body.get("tools") or []
    for at, tool in enumerate(tools):
        param = f"tools[{at}]"
        required = TOOLS.get(tool["type"]) if isinstance(tool["type"], str) else None
        if required is None:
            return invalid_value(f"{param}.type", tool["type"], TOOLS)
        for member in required:
            if tool.get(member) is None:
                return missing_parameter(f"{param}.{member}")
    choice = body.get("tool_choice")
    return _unoffered(choice, tools) if isinstance(choice, dict) else None


def _unoffered(choice: dict[str, Any], tools: list[dict[str, Any]]) -> ApiError | None:
    """400 for a choice of a provider's tool that `tools` does not offer."""
    kind = choice.get("type")
    if kind is None:
        return missing_parameter("tool_choice.type")
    if kind in ("function", "custom", "allowed_tools"):
        return None
    offered = [tool for tool in tools if family(tool["type"]) == family(kind)]
    if kind == "mcp":
        offered = [tool for tool in offered if tool["server_label"] == choice.get("server_label")]
    if offered:
        return None
    message = f"Tool choice '{kind}' not found in 'tools' parameter."
    return ApiError(400, message, INVALID_REQUEST, "tool_choice")
