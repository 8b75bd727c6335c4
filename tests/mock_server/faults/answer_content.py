"""What an answer says, read by the SDK's types: kind, words, tool and end of each choice.

Whole answers and streams are read strictly, and everything in them has to agree: deltas with what is done, usage with
the work, the status with the reasons. An answer with several tool calls is its first one, with `more` of them.
"""

from __future__ import annotations

from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.mock_server.api.conftest import Wire
from windtunnel.mock_server.script import Script

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def whole_says(script: Script, api: str) -> list[dict[str, Any]]:
    """Kind, words, tool and end of every choice of a whole answer, read through the SDK's type."""
    if api == "responses":
        return [response_says(Response.model_validate_json(Wire.bytes(script), strict=True))]
    completion = ChatCompletion.model_validate_json(Wire.bytes(script), strict=True)
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + Wire.work(script)
    return [message_says(choice.message.model_dump(), choice.finish_reason) for choice in completion.choices]


def message_says(message: dict[str, Any], finish: str | None) -> dict[str, Any]:
    calls = message.get("tool_calls") or []
    if message.get("function_call"):
        calls = [{"type": "legacy", "legacy": message["function_call"]}]
    if not calls:
        kind = "refusal" if message.get("refusal") is not None else "text"
        if message.get("audio"):
            message = {"content": message["audio"]["transcript"]}
        return {"kind": kind, "text": message["content" if kind == "text" else "refusal"], "finish": finish}
    call, *more = calls
    inner = call[call["type"]]
    text = inner["input" if call["type"] == "custom" else "arguments"]
    found = {"kind": call["type"], "text": text, "name": inner["name"], "finish": finish}
    return {**found, "more": len(more)} if more else found


def response_says(response: Response) -> dict[str, Any]:
    """The same of a response, whose status, details and usage agree."""
    item, *more = [item for item in response.output if item.type != "reasoning"]
    reason = response.incomplete_details.reason if response.incomplete_details else None
    assert response.status == ("incomplete" if reason else "completed")
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    data = item.model_dump()
    if item.type == "message":
        assert item.status == response.status
        (part,) = data["content"]
        kind = "text" if part["type"] == "output_text" else "refusal"
        return {"kind": kind, "text": part[kind], "finish": reason}
    kind = "custom" if item.type == "custom_tool_call" else "function"
    text = data["input" if kind == "custom" else "arguments"]
    found = {"kind": kind, "text": text, "name": data["name"], "finish": reason}
    return {**found, "more": len(more)} if more else found


def chat_stream_says(script: Script) -> list[dict[str, Any]]:
    """The same of a chat's stream, every event of which the SDK's type accepts (it knows no custom tools there)."""
    *events, (_, last) = Wire.events(script)
    assert last == "[DONE]"
    found: dict[int, dict[str, Any]] = {}
    for _, data in events:
        if b'"custom"' not in Wire.bytes(script):
            ChatCompletionChunk.model_validate(data, strict=True)
        for choice in data["choices"]:
            message = found.setdefault(choice["index"], {"finish": None})
            assert message["finish"] is None, "nothing comes after the finish_reason"
            message["finish"] = choice["finish_reason"]
            delta = choice["delta"]
            for key in ("content", "refusal"):
                if delta.get(key) is not None:
                    message[key] = message.get(key, "") + delta[key]
            for call in delta.get("tool_calls", []):
                calls = message.setdefault("tool_calls", [])
                calls += [{}] if call["index"] == len(calls) else []
                merge(calls[call["index"]], call)
            merge(message.setdefault("audio", {}), delta.get("audio", {}))
            merge(message.setdefault("function_call", {}), delta.get("function_call", {}))
    assert events[-1][1]["usage"]["completion_tokens"] == Wire.work(script)
    return [message_says(message, message["finish"]) for _, message in sorted(found.items())]


def merge(call: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict):
            merge(call.setdefault(key, {}), value)
        elif key in ("arguments", "input", "transcript"):
            call[key] = call.get(key, "") + value
        else:
            call[key] = value


def response_stream_says(script: Script) -> list[dict[str, Any]]:
    """The same of a response's stream: numbers run on, deltas, `done` events and the last response agree."""
    events = Wire.events(script)
    assert [name for name, _ in events] == [data["type"] for _, data in events]
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    for _, data in events:
        EVENT.validate_python(data, strict=True)
    last = events[-1][1]
    final = Response.model_validate(last["response"], strict=True)
    assert last["type"] == f"response.{final.status}"
    says = response_says(final)
    assert final.usage is not None
    assert final.usage.output_tokens == Wire.work(script)
    if "more" in says:
        return [says]
    (item,) = [item for item in last["response"]["output"] if item["type"] != "reasoning"]
    by_type: dict[str, list[Any]] = {}
    for _, data in events[2:-1]:
        if item["id"] in (data.get("item_id"), data.get("item", {}).get("id")):
            by_type.setdefault(data["type"], []).append(data)
        else:
            assert "reasoning" in data["type"] or data["item"]["type"] == "reasoning"
    (deltas,) = [found for kind, found in by_type.items() if kind.endswith(".delta")]
    assert "".join(data["delta"] for data in deltas) == says["text"]
    (done,) = by_type[deltas[0]["type"].replace(".delta", ".done")]
    assert says["text"] in done.values()
    (added,), (finished,) = by_type["response.output_item.added"], by_type["response.output_item.done"]
    assert finished["item"] == item
    assert (added["item"]["id"], added["item"]["type"]) == (item["id"], item["type"])
    if item["type"] == "message":
        assert by_type["response.content_part.done"][0]["part"] == item["content"][0]
    return [says]


def says(script: Script, api: str, *, stream: bool) -> list[dict[str, Any]]:
    if not stream:
        return whole_says(script, api)
    return chat_stream_says(script) if api == "chat" else response_stream_says(script)
