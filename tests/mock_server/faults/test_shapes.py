"""JSON of the wrong shape: a field gone, null, renamed, retyped; new fields; new values."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from pydantic import ValidationError

from tests.mock_server.api.conftest import Wire
from windtunnel.mock_server.faults import FAULTS, FaultContext
from windtunnel.mock_server.faults.shapes import retyped
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.script import End, Head, Script, Send

TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}
CALLING = {"tools": [TOOL], "tool_choice": "required"}


def faulty(name: str, script: Script, api: str, *, stream: bool = False, **params: Any) -> Script:
    kind = FAULTS[name]
    assert kind.acts_on(api, stream)
    return kind.apply(script, kind.params.model_validate(params), FaultContext(api=api, stream=stream))


def answer(api: str, *, stream: bool = False, **asked: Any) -> Script:
    return Wire.reply(Wire.ask(api, **asked, **({"stream": True} if stream else {}))).script


def document(data: Any) -> Script:
    """A whole answer of this JSON."""
    return Script((Head(200), Send(orjson.dumps(data), 1, "terminal"), End()))


@pytest.mark.parametrize(
    ("action", "path", "changed"),
    [
        ("drop", "a.b", {"a": {"c": "x"}, "d": [1, 2, 3]}),
        ("null", "a.b", {"a": {"b": None, "c": "x"}, "d": [1, 2, 3]}),
        ("rename", "a.b", {"a": {"b_v2": True, "c": "x"}, "d": [1, 2, 3]}),
        ("retype", "a.b", {"a": {"b": "true", "c": "x"}, "d": [1, 2, 3]}),
        ("drop", "a", {"d": [1, 2, 3]}),
        ("drop", "d.1", {"a": {"b": True, "c": "x"}, "d": [1, 3]}),
        ("drop", "d.*", {"a": {"b": True, "c": "x"}, "d": []}),
        ("null", "a.*", {"a": {"b": None, "c": None}, "d": [1, 2, 3]}),
        ("null", "*.b", {"a": {"b": None, "c": "x"}, "d": [1, 2, 3]}),
        ("retype", "d", {"a": {"b": True, "c": "x"}, "d": {"0": 1, "1": 2, "2": 3}}),
    ],
)
def test_what_happens_at_a_path(action: str, path: str, changed: Any) -> None:
    """Every action changes what the path names, and nothing else, not even the order of keys."""
    script = document({"a": {"b": True, "c": "x"}, "d": [1, 2, 3]})
    shaped = Wire.json(faulty("wrong_shape", script, "files", action=action, path=path))
    assert orjson.dumps(shaped) == orjson.dumps(changed)


@pytest.mark.parametrize("path", ["no", "a.no", "d.9", "d.x", "a.b.c", "d.0.c"])
def test_a_path_that_is_not_there(path: str) -> None:
    """An answer without that field stays as it is, byte for byte."""
    script = document({"a": {"b": True}, "d": [1]})
    assert faulty("wrong_shape", script, "files", path=path) == script


@pytest.mark.parametrize("value", ["x", 1, 1.5, True, None, [1], [], {"a": 1}, {}])
def test_another_type(value: Any) -> None:
    """Every JSON value becomes one of another JSON type."""
    kinds = {str: str, int: float, float: float, bool: bool, type(None): None, list: list, dict: dict}
    assert kinds[type(retyped(value))] != kinds[type(value)]


@pytest.mark.parametrize("action", ["drop", "null", "rename", "retype"])
@pytest.mark.parametrize(
    ("api", "asked"),
    [
        ("chat", {}),
        ("chat", {"n": 2}),
        ("chat", CALLING),
        ("chat", {"stream": True}),
        ("chat", {"stream": True, **CALLING}),
        ("responses", {}),
        ("responses", {"stream": True}),
        ("embeddings", {}),
    ],
)
def test_without_a_path_it_is_the_content(api: str, asked: dict[str, Any], action: str) -> None:
    """No answer escapes: its content, or else its first known field, is not as it was."""
    healthy = answer(api, **asked)
    stream = bool(asked.get("stream"))
    shaped = faulty("wrong_shape", healthy, api, stream=stream, action=action)
    assert Wire.bytes(shaped) != Wire.bytes(healthy)
    assert [type(step) for step in shaped.steps] == [type(step) for step in healthy.steps]
    if stream:
        events = zip(Wire.events(shaped), Wire.events(healthy), strict=True)
        changed = [new[1] != old[1] for new, old in events]
        contents = [step for step in healthy.steps if isinstance(step, Send) and step.role == "content"]
        assert sum(changed) >= len(contents)


def test_the_sdk_has_no_type_for_it() -> None:
    """Without their content, strict validation refuses a completion's choices and a response's output."""
    with pytest.raises(ValidationError):
        ChatCompletion.model_validate_json(
            Wire.bytes(faulty("wrong_shape", answer("chat"), "chat", path="choices.0.message")), strict=True
        )
    with pytest.raises(ValidationError):
        Response.model_validate_json(
            Wire.bytes(faulty("wrong_shape", answer("responses"), "responses")), strict=True
        )


def test_one_path_for_whole_and_streamed_answers() -> None:
    """In a chat's stream `message` finds the delta, and in a stream of Responses a path finds the response."""
    streamed = faulty(
        "wrong_shape", answer("chat", stream=True), "chat", stream=True, path="choices.0.message.content"
    )
    assert all(
        "content" not in choice["delta"]
        for _, data in Wire.events(streamed)[:-1]
        for choice in data["choices"]
    )
    streamed = faulty("wrong_shape", answer("responses", stream=True), "responses", stream=True, path="model")
    assert all("model" not in data.get("response", {}) for _, data in Wire.events(streamed))


@pytest.mark.parametrize(
    ("with_", "where"),
    [
        ({"path": "a..b"}, "path"),
        ({"path": ""}, "path"),
        ({"action": "rename", "path": "choices.0"}, "path"),
        ({"action": "rename", "path": "choices.*"}, "path"),
        ({"action": "remove"}, "action"),
    ],
)
def test_paths_that_cannot_be(with_: dict[str, Any], where: str) -> None:
    """A path with a gap, the rename of a list's entry and an unknown action are refused when the plan is loaded."""
    with pytest.raises(ValidationError) as caught:
        Plan.model_validate({"rules": [{"fault": "wrong_shape", "with": with_}]})
    assert caught.value.errors()[0]["loc"][-2:] == ("with", where)


def test_null_without_quotes_is_the_action() -> None:
    """In YAML `action: null` is no word, and is understood all the same."""
    with_ = {"action": None, "path": "a"}
    plan = Plan.model_validate({"rules": [{"fault": "wrong_shape", "with": with_}]})
    assert Plan.model_validate(plan.model_dump(mode="json", by_alias=True)) == plan
    assert Wire.json(faulty("wrong_shape", document({"a": 1}), "files", **with_)) == {"a": None}


@pytest.mark.parametrize(
    ("api", "stream"), [("chat", False), ("chat", True), ("responses", False), ("responses", True)]
)
def test_new_fields_are_all_that_is_new(api: str, stream: bool) -> None:
    """Every object of the answer has one field more; without them it is the healthy answer again."""

    def without(data: Any) -> Any:
        if isinstance(data, list):
            return [without(entry) for entry in data]
        if not isinstance(data, dict):
            return data
        return {key: without(value) for key, value in data.items() if key != "x_preview"}

    healthy = answer(api, stream=stream)
    extended = faulty("extra_fields", healthy, api, stream=stream)
    if stream:
        pairs = list(zip(Wire.events(extended), Wire.events(healthy), strict=True))
        pairs = pairs[:-1] if api == "chat" else pairs
        assert all("x_preview" in new and without(new) == old for (_, new), (_, old) in pairs)
        return
    new = Wire.json(extended)
    assert without(new) == Wire.json(healthy)
    inside = new["choices"][0]["message"] if api == "chat" else new["output"][0]["content"][0]
    assert "x_preview" in inside
    assert "x_preview" in new["usage"]


def test_what_the_caller_wrote_gains_no_field() -> None:
    """Metadata and tools that a response repeats are the caller's own."""
    healthy = answer(
        "responses", metadata={"a": "b"}, tools=[{"type": "function", "name": "f", "parameters": {}}]
    )
    extended = Wire.json(faulty("extra_fields", healthy, "responses"))
    assert (extended["metadata"], extended["tools"]) == (
        Wire.json(healthy)["metadata"],
        Wire.json(healthy)["tools"],
    )


def test_values_that_no_type_lists() -> None:
    """The finish_reason of chat, the status of a response and of its item, the object of anything else."""
    chat = Wire.json(faulty("unknown_enum", answer("chat", n=2), "chat", value="paused"))
    assert [choice["finish_reason"] for choice in chat["choices"]] == ["paused", "paused"]
    assert chat["object"] == "chat.completion"
    assert Wire.json(faulty("unknown_enum", answer("responses"), "responses"))["status"] == "unheard_of"
    assert Wire.json(faulty("unknown_enum", answer("embeddings"), "embeddings"))["object"] == "unheard_of"


def test_values_that_no_type_lists_in_streams() -> None:
    """Only the ends of a chat's choices change; in Responses every status, as a response reports it."""
    events = Wire.events(faulty("unknown_enum", answer("chat", stream=True), "chat", stream=True))[:-1]
    reasons = [choice["finish_reason"] for _, data in events for choice in data["choices"]]
    assert reasons == [None] * (len(reasons) - 1) + ["unheard_of"]
    events = Wire.events(faulty("unknown_enum", answer("responses", stream=True), "responses", stream=True))
    stated = [
        data[holder]["status"] for _, data in events for holder in ("response", "item") if holder in data
    ]
    assert stated
    assert set(stated) == {"unheard_of"}


@pytest.mark.parametrize("name", ["wrong_shape", "extra_fields", "unknown_enum"])
def test_what_is_no_json_object_is_left_alone(name: str) -> None:
    """A page, a list, a torn event and a body in two pieces stay as they are."""
    for data in (b"<html>", b"[1]", b'"x"', b"data: {\n\n", b"data: [DONE]\n\n", b": ping\n\n"):
        for stream in (False, True):
            script = Script((Head(200), Send(data), End()))
            assert faulty(name, script, "chat", stream=stream) == script
    torn = Script((Head(200), Send(b'{"id":'), Send(b'"x"}'), End()))
    assert faulty(name, torn, "chat") == torn


def test_the_healthy_answer_stays() -> None:
    """A fault changes a copy."""
    healthy = answer("chat")
    before = copy.deepcopy(healthy)
    faulty("extra_fields", healthy, "chat")
    assert healthy == before
