"""When tools are called, and with what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

SCHEMA = {
    "type": "object",
    "properties": {"unit": {"enum": ["C", "F"]}, "cities": {"type": "array", "items": {"type": "string"}}},
    "required": ["unit", "cities"],
    "additionalProperties": False,
}
NAMES = ("weather", "tides")


def tools(chat: bool) -> list[dict[str, Any]]:
    functions = [{"name": name, "parameters": SCHEMA} for name in NAMES]
    if chat:
        return [{"type": "function", "function": function} for function in functions]
    return [{"type": "function", **function} for function in functions]


def named(chat: bool) -> dict[str, Any]:
    return (
        {"type": "function", "function": {"name": "tides"}} if chat else {"type": "function", "name": "tides"}
    )


def allowed(chat: bool, mode: str) -> dict[str, Any]:
    choice = {"mode": mode, "tools": [named(chat)]}
    return {"type": "allowed_tools", "allowed_tools": choice} if chat else {"type": "allowed_tools", **choice}


def call_in(data: dict[str, Any]) -> tuple[str, str] | None:
    """The name and arguments of the one call in an answer of either API."""
    if "choices" in data:
        calls = data["choices"][0]["message"].get("tool_calls") or []
        return (calls[0]["function"]["name"], calls[0]["function"]["arguments"]) if calls else None
    item = data["output"][0]
    return (item["name"], item["arguments"]) if item["type"] == "function_call" else None


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    ("choice", "setting", "called"),
    [
        ("auto", "forced", None),
        (None, "forced", None),
        ("auto", "offered", NAMES),
        (None, "offered", NAMES),
        ("none", "offered", None),
        ("required", "forced", NAMES),
        ("required", "never", None),
        ("named", "forced", ("tides",)),
        ("named", "never", None),
        ("allowed auto", "forced", None),
        ("allowed auto", "offered", ("tides",)),
        ("allowed required", "forced", ("tides",)),
    ],
)
def test_a_tool_is_called_when_forced_or_offered(
    wire: Any, api: str, choice: str | None, setting: str, called: tuple[str, ...] | None
) -> None:
    """`tool_choice` and the plan's `tool_calls` decide together whether and which tool is called."""
    chat = api == "chat"
    asked: Any = choice
    if choice is not None and " " in choice:
        asked = allowed(chat, choice.split()[1])
    elif choice == "named":
        asked = named(chat)
    request = wire.ask(api, tools=tools(chat), tool_choice=asked)
    found = [
        call_in(wire.json(wire.reply(request, tool_calls=setting, call_key=f"c{number}").script))
        for number in range(20)
    ]
    assert {call and call[0] for call in found} == (set(called) if called else {None})
    for call in found:
        if call is not None:
            Draft202012Validator(SCHEMA).validate(json.loads(call[1]))


def test_an_agents_loop_ends(wire: Any) -> None:
    """After a tool's result an offered tool is not called again, a forced one is."""
    turns = [
        {"role": "user", "content": "How warm is it?"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "tides", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "20"},
    ]
    for choice, again in (("auto", False), ("required", True)):
        request = wire.ask("chat", messages=turns, tools=tools(True), tool_choice=choice)
        found = call_in(wire.json(wire.reply(request, tool_calls="offered").script))
        assert (found is not None) == again
    item = {"type": "function_call_output", "call_id": "a", "output": "20"}
    request = wire.ask("responses", input=[item], tools=tools(False))
    assert call_in(wire.json(wire.reply(request, tool_calls="offered").script)) is None


def test_custom_tools_get_free_text(wire: Any) -> None:
    """A custom tool is called with text, streamed and not."""
    custom = {"tools": [{"type": "custom", "custom": {"name": "shell"}}], "tool_choice": "required"}
    whole = wire.reply(wire.ask("chat", **custom))
    call = wire.json(whole.script)["choices"][0]["message"]["tool_calls"][0]
    assert (call["type"], call["custom"]["name"]) == ("custom", "shell")
    streamed = wire.reply(wire.ask("chat", stream=True, **custom))
    deltas = [data["choices"][0]["delta"] for _, data in wire.events(streamed.script)[:-1]]
    pieces = [delta["tool_calls"][0]["custom"]["input"] for delta in deltas if "tool_calls" in delta]
    assert "".join(pieces) == call["custom"]["input"] != ""


def test_older_functions_are_called_too(wire: Any) -> None:
    """`functions` with `function_call` answer with `function_call`, or in words if none is forced."""
    functions = [{"name": "tides", "parameters": SCHEMA}]
    for choice, setting, called in (
        ({"name": "tides"}, "forced", True),
        ("auto", "forced", False),
        ("auto", "offered", True),
        ("none", "offered", False),
    ):
        request = wire.ask("chat", functions=functions, function_call=choice)
        answer = wire.reply(request, tool_calls=setting)
        message = wire.json(answer.script)["choices"][0]["message"]
        assert (answer.finish_reason == "function_call") == called == ("function_call" in message)
        if called:
            Draft202012Validator(SCHEMA).validate(json.loads(message["function_call"]["arguments"]))


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_format_is_kept(wire: Any, api: str) -> None:
    """An answer in a JSON schema is valid against it; a free JSON object is about as long as drawn."""
    inner = {"name": "answer", "schema": SCHEMA, "strict": True}
    form = (
        {"type": "json_schema", "json_schema": inner} if api == "chat" else {"type": "json_schema", **inner}
    )
    free = {"type": "json_object"}
    said = {"messages": [{"role": "user", "content": "JSON!"}]} if api == "chat" else {"input": "JSON!"}

    def text(form: dict[str, Any]) -> str:
        asked = {"response_format": form} if api == "chat" else {"text": {"format": form}}
        data = wire.json(wire.reply(wire.ask(api, **said, **asked), tokens=1500).script)
        if api == "chat":
            return str(data["choices"][0]["message"]["content"])
        return str(data["output"][0]["content"][0]["text"])

    Draft202012Validator(SCHEMA).validate(json.loads(text(form)))
    assert isinstance(json.loads(text(free)), dict)
    assert abs(len(text(free)) / 4 - 1500) <= 2


def test_a_loop_ends_whatever_comes_behind_the_result(wire: Any) -> None:
    """Once a tool's result is held the answer is text, also where a framework adds words of its own behind it."""
    call = {"id": "a", "type": "function", "function": {"name": "tides", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": "How warm is it?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "20"},
        {"role": "user", "content": "Go on."},
    ]
    request = wire.ask("chat", messages=turns, tools=tools(True))
    assert call_in(wire.json(wire.reply(request, tool_calls="offered").script)) is None
    items = [
        {"type": "function_call_output", "call_id": "a", "output": "20"},
        {"role": "user", "content": "Go on."},
    ]
    request = wire.ask("responses", input=items, tools=tools(False))
    assert call_in(wire.json(wire.reply(request, tool_calls="offered").script)) is None


@pytest.mark.parametrize("name", ["final_result", "final_answer", "finish", "submit_answer"])
def test_where_a_tool_must_be_called_the_last_one_ends_the_loop(wire: Any, name: str) -> None:
    """A framework whose answers are tools gets another tool first, and after its result the tool that ends."""
    function = {"name": name, "parameters": SCHEMA}
    offered = [*tools(True), {"type": "function", "function": function}]
    user = {"role": "user", "content": "How warm is it?"}
    result = {"role": "tool", "tool_call_id": "a", "content": "20"}
    call = {"id": "a", "type": "function", "function": {"name": "tides", "arguments": "{}"}}
    after = [user, {"role": "assistant", "tool_calls": [call]}, result]
    for turns, names in (([user], set(NAMES)), (after, {name})):
        request = wire.ask("chat", messages=turns, tools=offered, tool_choice="required")
        found = [
            call_in(wire.json(wire.reply(request, tool_calls="offered", call_key=f"c{number}").script))
            for number in range(12)
        ]
        assert {one[0] for one in found if one is not None} == names


@pytest.mark.parametrize("kind", ["web_search", "code_interpreter", "file_search", "image_generation"])
def test_a_hosted_tool_is_called_where_it_is_offered(wire: Any, kind: str) -> None:
    """With `tool_calls: offered` the provider runs its own tools under `auto`, and the answer goes on in words."""
    more = {
        "code_interpreter": {"container": {"type": "auto"}},
        "file_search": {"vector_store_ids": ["vs_1"]},
    }
    request = wire.ask("responses", tools=[{"type": kind, **more.get(kind, {})}])
    for setting, called in (("offered", True), ("forced", False), ("never", False)):
        output = wire.json(wire.reply(request, tool_calls=setting).script)["output"]
        assert [item["type"] for item in output] == [*([f"{kind}_call"] if called else []), "message"]


def test_a_hosted_tool_that_the_client_runs_is_called_once(wire: Any) -> None:
    """A shell that is offered is called, and once its output is there the answer is text."""
    shell = {"type": "local_shell"}
    user = {"role": "user", "content": "List the files."}
    done = {"type": "local_shell_call_output", "id": "a", "output": "x"}
    for items, kind in (([user], "local_shell_call"), ([user, done], "message")):
        request = wire.ask("responses", input=items, tools=[shell])
        assert request.problem is None, wire.json(request.problem)
        output = wire.json(wire.reply(request, tool_calls="offered").script)["output"]
        assert [item["type"] for item in output] == [kind]
