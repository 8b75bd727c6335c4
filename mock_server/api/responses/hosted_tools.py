"""Calls of the tools that the provider runs itself, or that are not functions: what stands in their items.

A call is made where `tool_choice` forces one: it names such a tool, or is `required` and no function is offered; with
the plan's `tool_calls: offered` also where it is merely offered, until the request holds a tool's result.
Web search, file search, the code interpreter, images and MCP servers are run on the spot and the answer goes on in
words; a computer, a shell or a patch is the client's to run, and an MCP server that wants approval is the user's to
approve, so the answer ends there.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from windtunnel.mock_server.api.draws import Draws
from windtunnel.mock_server.api.responses.tool_checks import family
from windtunnel.mock_server.api.text import prose, tokens_in

Event: TypeAlias = tuple[str, dict[str, Any]]
"""What an event is called after the item's own prefix, and its fields besides the usual ones."""

MOST_CALLS: Final = 4
"""Calls of one answer."""

PIXEL: Final = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
        "0000000a49444154789c636800000082008177cd72b60000000049454e44ae426082"
    )
).decode()
"""A valid picture of one pixel, as PNG."""

_ENDING: Final = frozenset(("computer_call", "local_shell_call", "shell_call", "apply_patch_call"))


class HostedCall(NamedTuple):
    """One call: its item without id, as it is added (`added` over `done`) and when it is done.

    `prefix` begins its id, `tokens` is its work. `before` and `after` are the events between, before and after the
    work; their names follow `events`. `secrets` are members that are only shown where `include` names them: what to
    include, then the path.
    """

    prefix: str
    tokens: int
    done: dict[str, Any]
    added: dict[str, Any]
    events: str = ""
    before: tuple[Event, ...] = ()
    after: tuple[Event, ...] = ()
    secrets: tuple[tuple[str, ...], ...] = ()

    @property
    def ends(self) -> bool:
        """Whether the answer ends with this call, for others to act on it."""
        kind = self.done["type"]
        return kind in _ENDING or kind == "mcp_approval_request"

    def item(self, ident: str, include: frozenset[str], *, done: bool) -> dict[str, Any]:
        """The item on the wire."""
        item = {"id": ident, **self.done}
        if not done:
            item |= self.added
        for name, *path, last in self.secrets:
            holder = item
            for step in path:
                holder[step] = holder = dict(holder[step])
            if name not in include and holder.get(last) is not None:
                if path:
                    del holder[last]
                else:
                    holder[last] = None
        return item


def hosted_calls(
    body: dict[str, Any], draws: Draws, *, functions: bool, offered: bool = False
) -> list[HostedCall]:
    """The calls that an answer to `body` makes; `functions` says that it calls a function instead, `offered` that what
    is merely offered is called, too."""
    choice = body.get("tool_choice")
    tools = [tool for tool in body.get("tools") or () if family(tool["type"]) in _MAKERS]
    if isinstance(choice, dict):
        kinds = [choice.get("type")]
        if choice.get("type") == "allowed_tools":
            called = offered or choice.get("mode") == "required"
            kinds = [one.get("type") for one in choice["tools"]] if called else []
        wanted = {family(kind) for kind in kinds}
        label = choice.get("server_label")
        tools = [tool for tool in tools if family(tool["type"]) in wanted]
        tools = [tool for tool in tools if label is None or tool.get("server_label") == label]
    elif choice != "required" and not (offered and choice in (None, "auto")):
        return []
    if functions or not tools:
        return []
    several = body.get("parallel_tool_calls") is True and isinstance(choice, str)
    most = min(MOST_CALLS, body.get("max_tool_calls") or MOST_CALLS)
    first = draws.pick(tools)
    chosen = [first, *[tool for tool in tools if several and tool is not first]][:most]
    calls: list[HostedCall] = []
    for tool in chosen:
        made = _MAKERS[family(tool["type"])](tool, draws)
        calls += made
        if made[-1].ends:
            break
    return calls


def _question(draws: Draws) -> str:
    return prose(draws.raw(draws.between(3, 8))).strip()


def _plain(name: str) -> Event:
    return name, {}


def _web_search(tool: dict[str, Any], draws: Draws) -> list[HostedCall]:
    question = _question(draws)
    sources = [{"type": "url", "url": f"https://example.com/{draws.below(10**6)}"} for _ in range(2)]
    action = {"type": "search", "query": question, "queries": [question], "sources": sources}
    return [
        HostedCall(
            "ws",
            tokens_in(question),
            {"type": "web_search_call", "status": "completed", "action": action},
            {"status": "in_progress"},
            "web_search_call",
            (_plain("in_progress"), _plain("searching")),
            (_plain("completed"),),
            (("web_search_call.action.sources", "action", "sources"),),
        )
    ]


def _file_search(tool: dict[str, Any], draws: Draws) -> list[HostedCall]:
    question = _question(draws)
    result = {
        "attributes": {},
        "file_id": f"file-{draws.raw(12).hex()}",
        "filename": "notes.txt",
        "score": round(draws.unit(), 4),
        "text": prose(draws.raw(24)),
    }
    return [
        HostedCall(
            "fs",
            tokens_in(question),
            {"type": "file_search_call", "status": "completed", "queries": [question], "results": [result]},
            {"status": "in_progress", "queries": [], "results": None},
            "file_search_call",
            (_plain("in_progress"), _plain("searching")),
            (_plain("completed"),),
            (("file_search_call.results", "results"),),
        )
    ]


def _code_interpreter(tool: dict[str, Any], draws: Draws) -> list[HostedCall]:
    one, other = draws.below(1000), draws.below(1000)
    code = f"print({one} * {other})"
    given = tool["container"]
    container = given if isinstance(given, str) else f"cntr_{draws.raw(24).hex()}"
    outputs = [{"type": "logs", "logs": f"{one * other}\n"}]
    done = {"type": "code_interpreter_call", "status": "completed", "code": code, "outputs": outputs}
    return [
        HostedCall(
            "ci",
            tokens_in(code),
            {**done, "container_id": container},
            {"status": "in_progress", "code": "", "outputs": None},
            "code_interpreter_call",
            (_plain("in_progress"),),
            (
                ("_code.delta", {"delta": code}),
                ("_code.done", {"code": code}),
                _plain("interpreting"),
                _plain("completed"),
            ),
            (("code_interpreter_call.outputs", "outputs"),),
        )
    ]


def _image_generation(tool: dict[str, Any], draws: Draws) -> list[HostedCall]:
    prompt = _question(draws)
    form = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}
    form |= {name: tool[name] for name in form if tool.get(name) not in (None, "auto")}
    count = tool.get("partial_images")
    partial = [
        ("partial_image", {"partial_image_index": at, "partial_image_b64": PIXEL, **form})
        for at in range(min(3, count) if isinstance(count, int) else 0)
    ]
    done = {"type": "image_generation_call", "status": "completed", "action": "generate", **form}
    return [
        HostedCall(
            "ig",
            tokens_in(prompt),
            {**done, "revised_prompt": prompt, "result": PIXEL},
            {"status": "in_progress", "revised_prompt": None, "result": None},
            "image_generation_call",
            (_plain("in_progress"), _plain("generating")),
            (*partial, _plain("completed")),
        )
    ]


def _mcp(tool: dict[str, Any], draws: Draws) -> list[HostedCall]:
    label = tool["server_label"]
    allowed = tool.get("allowed_tools")
    names = allowed.get("tool_names") if isinstance(allowed, dict) else allowed
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else "search"
    arguments = orjson.dumps({"query": _question(draws)}).decode()
    schema = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    entry = {"name": name, "description": None, "input_schema": schema, "annotations": None}
    listing = HostedCall(
        "mcpl",
        1,
        {"type": "mcp_list_tools", "server_label": label, "tools": [entry], "error": None},
        {"tools": []},
        "mcp_list_tools",
        (_plain("in_progress"),),
        (_plain("completed"),),
    )
    call = {"server_label": label, "name": name, "arguments": arguments}
    if tool.get("require_approval") != "never":
        return [
            listing,
            HostedCall("mcpr", tokens_in(arguments), {"type": "mcp_approval_request", **call}, {}),
        ]
    done = {"type": "mcp_call", "status": "completed", **call, "approval_request_id": None, "error": None}
    made = HostedCall(
        "mcp",
        tokens_in(arguments),
        {**done, "output": prose(draws.raw(16))},
        {"status": "in_progress", "arguments": "", "output": None},
        "mcp_call",
        (_plain("in_progress"),),
        (
            ("_arguments.delta", {"delta": arguments}),
            ("_arguments.done", {"arguments": arguments}),
            _plain("completed"),
        ),
    )
    return [listing, made]


def _call_id(draws: Draws) -> str:
    return f"call_{draws.raw(12).hex()}"


def _computer(tool: dict[str, Any], draws: Draws) -> list[HostedCall]:
    action = {"type": "click", "button": "left", "x": draws.below(1000), "y": draws.below(700)}
    done = {"type": "computer_call", "status": "completed", "call_id": _call_id(draws)}
    acts = {"actions": [action]} if tool["type"] == "computer" else {"action": action}
    item = {**done, **acts, "pending_safety_checks": []}
    return [HostedCall("cu", 4, item, {"status": "in_progress"})]


def _local_shell(tool: dict[str, Any], draws: Draws) -> list[HostedCall]:
    action = {"type": "exec", "command": ["echo", _question(draws)], "env": {}}
    done = {"type": "local_shell_call", "status": "completed", "call_id": _call_id(draws), "action": action}
    return [HostedCall("lsh", 4, done, {"status": "in_progress"})]


def _shell(tool: dict[str, Any], draws: Draws) -> list[HostedCall]:
    command = f"echo '{_question(draws)}'"
    action = {"commands": [command], "max_output_length": None, "timeout_ms": None}
    done = {"type": "shell_call", "status": "completed", "call_id": _call_id(draws), "action": action}
    where = {"command_index": 0}
    return [
        HostedCall(
            "sh",
            tokens_in(command),
            {**done, "environment": None},
            {"status": "in_progress", "action": {**action, "commands": []}},
            "shell_call_command",
            (("added", {**where, "command": ""}),),
            (("delta", {**where, "delta": command}), ("done", {**where, "command": command})),
        )
    ]


def _apply_patch(tool: dict[str, Any], draws: Draws) -> list[HostedCall]:
    line = _question(draws)
    operation = {"type": "create_file", "path": "notes.txt", "diff": f"+{line}\n"}
    done = {"type": "apply_patch_call", "status": "completed", "call_id": _call_id(draws)}
    return [HostedCall("apc", tokens_in(line), {**done, "operation": operation}, {"status": "in_progress"})]


_MAKERS: Final[dict[str, Callable[[dict[str, Any], Draws], list[HostedCall]]]] = {
    "web_search": _web_search,
    "file_search": _file_search,
    "code_interpreter": _code_interpreter,
    "image_generation": _image_generation,
    "mcp": _mcp,
    "computer": _computer,
    "local_shell": _local_shell,
    "shell": _shell,
    "apply_patch": _apply_patch,
}
