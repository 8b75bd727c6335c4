"""What an application has received, whatever it holds it in: a text, an SDK's object, a list of a stream's events.

It is compared with the mock's digest of what it meant to say (`mock_server/api/truth.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from windtunnel.mock_server.api.embeddings.wire import vector_text
from windtunnel.mock_server.api.truth import Choice, digest

FINISHES = ("stop", "length", "content_filter", "tool_calls", None)
INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}


@dataclass(frozen=True, slots=True)
class Received:
    """One answer in the hands of the application. `declared`: it says itself that it is not all."""

    digests: frozenset[str]
    about: str
    declared: bool = False


def received(answer: Any) -> Received:
    """Read an answer. Raises `TypeError` for what is none."""
    if isinstance(answer, str):
        digests = frozenset(digest([(0, answer, None, [], finish)]) for finish in FINISHES)
        return Received(digests, f"a text of {len(answer)} characters")
    plain = _plain(answer)
    if isinstance(plain, list):
        return _of_events([_plain(one) for one in plain])
    if isinstance(plain, Mapping):
        if isinstance(plain.get("choices"), list):
            return _of_chat(plain)
        if isinstance(plain.get("output"), list):
            return _of_response(plain)
        if isinstance(plain.get("data"), list):
            return _of_vectors(plain)
    raise TypeError(
        f"expected a text, an answer of the SDK, a list of a stream's events or None, found {type(answer).__name__}"
    )


def _plain(answer: Any) -> Any:
    """The answer as plain data."""
    dump = getattr(answer, "model_dump", None)
    if dump is not None:
        return dump(warnings=False)  # an answer with a fault in it need not fit its own model
    if isinstance(answer, Iterable) and not isinstance(answer, Mapping | str | bytes):
        return list(answer)
    return answer


def _of_chat(answer: Mapping[str, Any]) -> Received:
    return _of_choices([_choice(one, one.get("message") or {}) for one in answer["choices"]])


def _choice(choice: Mapping[str, Any], said: Mapping[str, Any]) -> Choice:
    tools = [
        (call["function"]["name"], call["function"]["arguments"])
        for call in said.get("tool_calls") or ()
        if call.get("function")
    ]
    text = said.get("content") if "content" in said else choice.get("text")
    return choice["index"], text, said.get("refusal"), tools, choice.get("finish_reason")


def _of_choices(choices: list[Choice]) -> Received:
    size = sum(len(text or "") for _, text, _, _, _ in choices)
    declared = any(finish in ("length", "content_filter") or refusal for _, _, refusal, _, finish in choices)
    return Received(frozenset([digest(choices)]), f"an answer of {size} characters", declared)


def _of_response(answer: Mapping[str, Any]) -> Received:
    text, refusal, tools = "", "", []
    for item in answer["output"]:
        if item.get("type") == "function_call":
            tools.append((item["name"], item["arguments"]))
        elif item.get("type") == "custom_tool_call":
            tools.append((item["name"], item["input"]))
        for part in item.get("content") or ():
            if part.get("type") == "refusal":
                refusal += part["refusal"]
            elif part.get("type") == "output_text":
                text += part["text"]
    status, finish = answer.get("status"), None
    if status == "completed":
        finish = "tool_calls" if tools else "stop"
    elif status == "incomplete":
        reason = (answer.get("incomplete_details") or {}).get("reason")
        finish = INCOMPLETE.get(str(reason), reason)
    made = _of_choices([(0, text, refusal, tools, finish)])
    return Received(made.digests, made.about, made.declared or status not in ("completed", None))


def _of_vectors(answer: Mapping[str, Any]) -> Received:
    choices: list[Choice] = []
    for item in answer["data"]:
        vector = item["embedding"]
        text = vector if isinstance(vector, str) else vector_text(vector)
        choices.append((item["index"], text, None, [], None))
    return Received(frozenset([digest(choices)]), f"{len(choices)} vectors")


def _of_events(events: list[Any]) -> Received:
    if any(str(event.get("type", "")).startswith("response.") for event in events):
        return _of_response_events(events)
    kept: dict[int, dict[str, Any]] = {}
    for event in events:
        for choice in event.get("choices") or ():
            one = kept.setdefault(
                choice["index"], {"content": "", "refusal": "", "tools": {}, "finish": None}
            )
            delta = choice.get("delta") or {}
            one["content"] += delta.get("content") or choice.get("text") or ""
            one["refusal"] += delta.get("refusal") or ""
            one["finish"] = choice.get("finish_reason") or one["finish"]
            for call in delta.get("tool_calls") or ():
                tool = one["tools"].setdefault(call["index"], ["", ""])
                said = call.get("function") or {}
                tool[0] += said.get("name") or ""
                tool[1] += said.get("arguments") or ""
    return _of_choices(
        [
            (
                index,
                one["content"],
                one["refusal"],
                [(name, arguments) for _, (name, arguments) in sorted(one["tools"].items())],
                one["finish"],
            )
            for index, one in kept.items()
        ]
    )


def _of_response_events(events: list[Any]) -> Received:
    """The text as its pieces came, and the state that the last event gives."""
    text = "".join([event["delta"] for event in events if event.get("type") == "response.output_text.delta"])
    ends = [event["response"] for event in events if event.get("type") in _ENDS]
    if not ends:
        return Received(
            frozenset([digest([(0, text, None, [], None)])]), f"{len(text)} characters of a stream"
        )
    last = ends[-1]
    items = [event["item"] for event in events if event.get("type") == "response.output_item.done"]
    tools = [item for item in items if item.get("type") in ("function_call", "custom_tool_call")]
    said = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    return _of_response({**last, "output": [*tools, said]})


_ENDS = ("response.completed", "response.incomplete", "response.failed")
