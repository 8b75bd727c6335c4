"""Read and write the replies in chat completions and legacy completions: `choices` by index, with a finish_reason.

This reads back what the API wrote (`api/chat/wire.py`, `api/completions/endpoint.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from windtunnel.mock_server.faults.content_replacement import ChoiceReply, Chunk, Kind
from windtunnel.mock_server.faults.json_edits import JsonEvent, make_json_event, part, parts

_FIELDS: dict[Kind, str] = {"function": "arguments", "custom": "input", "legacy": "arguments"}
"""Where a call keeps its arguments."""

_EXTRAS = ("tool_calls", "function_call", "audio", "annotations")
"""What belongs to the words of the healthy answer and goes with them."""


_MOST_CALLS = 128
"""Tool calls of one choice that are looked at."""


def _usage(data: dict[str, Any], fewer: int) -> dict[str, Any]:
    usage = data.get("usage")
    if not fewer or not isinstance(usage, dict):
        return data
    less = {key: usage[key] - fewer for key in ("completion_tokens", "total_tokens") if key in usage}
    return {**data, "usage": {**usage, **less}}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _read(position: int, words: dict[str, Any], finish: str) -> ChoiceReply:
    """What a message, or a delta that has been put together, says. Of speech that is its transcript."""
    if words.get("refusal"):
        return ChoiceReply(position, "refusal", _text(words["refusal"]), finish)
    legacy = part(words, "function_call")
    if legacy:
        return ChoiceReply(
            position, "legacy", _text(legacy.get("arguments")), finish, _text(legacy.get("name"))
        )
    calls = [_call_reply(position, call, finish) for call in parts(words, "tool_calls")]
    if calls:
        return replace(calls[0], more=sum(call.tokens for call in calls[1:]))
    text = words.get("content") or part(words, "audio").get("transcript")
    return ChoiceReply(position, "text", _text(text), finish)


def _call_reply(position: int, call: dict[str, Any], finish: str) -> ChoiceReply:
    kind: Kind = "custom" if "custom" in call else "function"
    inner = part(call, kind)
    return ChoiceReply(position, kind, _text(inner.get(_FIELDS[kind])), finish, _text(inner.get("name")))


def _call_fields(reply: ChoiceReply, ident: str, text: str, *, index: int | None = None) -> dict[str, Any]:
    """A call of the tool, as the keys of a message or delta; with `index`, as streams number calls."""
    inner = {"name": reply.name or "", _FIELDS[reply.kind]: text}
    if reply.kind == "legacy":
        return {"function_call": inner}
    place = {} if index is None else {"index": index}
    return {"tool_calls": [{**place, "id": ident, "type": reply.kind, reply.kind: inner}]}


def _call_id(words: dict[str, Any], answer_id: object) -> str:
    for call in parts(words, "tool_calls"):
        return _text(call.get("id"))
    return f"call_{_text(answer_id).rpartition('-')[2][:24]}"


class ChatDialect:
    """Chat completions."""

    def read_body(self, body: dict[str, Any]) -> list[ChoiceReply]:
        return [
            _read(_index(choice, i), part(choice, "message"), _text(choice.get("finish_reason")))
            for i, choice in enumerate(parts(body, "choices"))
        ]

    def write_body(self, body: dict[str, Any], replies: dict[int, ChoiceReply], fewer: int) -> dict[str, Any]:
        choices = [
            self._choice(choice, replies[_index(choice, i)], body)
            for i, choice in enumerate(parts(body, "choices"))
        ]
        return _usage({**body, "choices": choices}, fewer)

    def _choice(self, choice: dict[str, Any], reply: ChoiceReply, body: dict[str, Any]) -> dict[str, Any]:
        before = part(choice, "message")
        words_now = {
            "content": reply.text if reply.kind == "text" else None,
            "refusal": reply.text if reply.kind == "refusal" else None,
        }
        fields = {key: value for key, value in before.items() if key not in _EXTRAS}
        if "annotations" in before:
            fields["annotations"] = []
        call = (
            _call_fields(reply, _call_id(before, body.get("id")), reply.text) if reply.kind in _FIELDS else {}
        )
        message = {**fields, **words_now, **call}
        return {**choice, "message": message, "logprobs": None, "finish_reason": reply.finish}

    def read_stream(self, events: Sequence[JsonEvent]) -> list[ChoiceReply]:
        words: dict[int, dict[str, Any]] = {}
        finish: dict[int, str] = {}
        for event in events:
            for choice in parts(event.data, "choices"):
                _add(words.setdefault(_index(choice), {}), part(choice, "delta"))
                finish[_index(choice)] = _text(choice.get("finish_reason")) or finish.get(_index(choice), "")
        return [_read(position, words[position], finish[position]) for position in words]

    def chunk(self, events: Sequence[JsonEvent]) -> Chunk | None:
        choices = [choice for event in events for choice in parts(event.data, "choices")]
        if not choices:
            return None
        chars = sum(self._chars(choice) for choice in choices)
        return Chunk(_index(choices[0]), chars, any(choice.get("finish_reason") for choice in choices))

    def _chars(self, choice: dict[str, Any]) -> int:
        words: dict[str, Any] = {}
        _add(words, part(choice, "delta"))
        words_now = _read(0, words, "")
        return len(words_now.text) + sum(
            len(_call_reply(0, call, "").text) for call in parts(words, "tool_calls")[1:]
        )

    def write_chunk(
        self, events: Sequence[JsonEvent], reply: ChoiceReply, piece: str, *, first: bool
    ) -> list[JsonEvent]:
        own = [event for event in events if parts(event.data, "choices")]
        model = own[0].data or {}
        finish = reply.finish if any(_ends(event) for event in own) else None
        ident = _call_id(_opening(own), model.get("id"))
        deltas = [self._opening_delta(reply, ident)] if first else []
        deltas += [self._continuation(reply, piece)] if piece else []
        if not deltas:
            deltas = [{}]
        made: list[JsonEvent] = []
        for i, delta in enumerate(deltas):
            last = finish if i == len(deltas) - 1 else None
            choice = {"index": reply.position, "delta": delta, "logprobs": None, "finish_reason": last}
            made.append(make_json_event(own[0].name, {**model, "choices": [choice]}))
        return made

    def _opening_delta(self, reply: ChoiceReply, ident: str) -> dict[str, Any]:
        delta: dict[str, Any] = {"role": "assistant", "content": "" if reply.kind == "text" else None}
        if reply.kind in _FIELDS:
            delta |= _call_fields(reply, ident, "", index=0)
        return delta | {"refusal": "" if reply.kind == "refusal" else None}

    def _continuation(self, reply: ChoiceReply, piece: str) -> dict[str, Any]:
        if reply.kind == "text":
            return {"content": piece}
        if reply.kind == "refusal":
            return {"refusal": piece}
        inner = {_FIELDS[reply.kind]: piece}
        if reply.kind == "legacy":
            return {"function_call": inner}
        return {"tool_calls": [{"index": 0, reply.kind: inner}]}

    def write_other(
        self, events: Sequence[JsonEvent], replies: dict[int, ChoiceReply], fewer: int
    ) -> list[JsonEvent]:
        return [self._other(event, replies, fewer) for event in events]

    def _other(self, event: JsonEvent, replies: dict[int, ChoiceReply], fewer: int) -> JsonEvent:
        if event.data is None:
            return event
        data = _usage(event.data, fewer)
        if parts(data, "choices"):
            data = {**data, "choices": [_last(choice, replies) for choice in parts(data, "choices")]}
        return event if data == event.data else make_json_event(event.name, data)


class CompletionsDialect(ChatDialect):
    """Legacy completions: a choice is its `text`, streamed and not, and cannot be anything else."""

    def read_body(self, body: dict[str, Any]) -> list[ChoiceReply]:
        return [
            ChoiceReply(
                _index(choice, i), "text", _text(choice.get("text")), _text(choice.get("finish_reason"))
            )
            for i, choice in enumerate(parts(body, "choices"))
        ]

    def _chars(self, choice: dict[str, Any]) -> int:
        return len(_text(choice.get("text")))

    def _choice(self, choice: dict[str, Any], reply: ChoiceReply, body: dict[str, Any]) -> dict[str, Any]:
        return {**choice, "text": reply.text, "logprobs": None, "finish_reason": reply.finish}

    def read_stream(self, events: Sequence[JsonEvent]) -> list[ChoiceReply]:
        texts: dict[int, str] = {}
        finish: dict[int, str] = {}
        for event in events:
            for choice in parts(event.data, "choices"):
                position = _index(choice)
                texts[position] = texts.get(position, "") + _text(choice.get("text"))
                finish[position] = _text(choice.get("finish_reason")) or finish.get(position, "")
        return [ChoiceReply(position, "text", text, finish[position]) for position, text in texts.items()]

    def write_chunk(
        self, events: Sequence[JsonEvent], reply: ChoiceReply, piece: str, *, first: bool
    ) -> list[JsonEvent]:
        own = [event for event in events if parts(event.data, "choices")]
        model = own[0].data or {}
        finish = reply.finish if any(_ends(event) for event in own) else None
        choice = {**parts(model, "choices")[0], "text": piece, "logprobs": None, "finish_reason": finish}
        return [make_json_event(own[0].name, {**model, "choices": [choice]})]


def _index(choice: dict[str, Any], place: int = 0) -> int:
    found = choice.get("index", place)
    return found if isinstance(found, int) else place


def _ends(event: JsonEvent) -> bool:
    return any(choice.get("finish_reason") for choice in parts(event.data, "choices"))


def _last(choice: dict[str, Any], replies: dict[int, ChoiceReply]) -> dict[str, Any]:
    """A choice that comes after the content: why the reply ended, and nothing that went with the healthy words."""
    reply = replies.get(_index(choice))
    if reply is None:
        return choice
    if choice.get("finish_reason"):
        return {**choice, "finish_reason": reply.finish}
    if any(key in part(choice, "delta") for key in _EXTRAS):
        return {**choice, "delta": {}}
    return choice


def _opening(events: Sequence[JsonEvent]) -> dict[str, Any]:
    choices = [choice for event in events for choice in parts(event.data, "choices")]
    return part(choices[0], "delta") if choices else {}


def _add(words: dict[str, Any], delta: dict[str, Any]) -> None:
    """Put a delta to what came before it: texts are joined, tool calls put together."""
    for key in ("content", "refusal"):
        if isinstance(delta.get(key), str):
            words[key] = words.get(key, "") + delta[key]
    legacy = part(delta, "function_call")
    if legacy:
        _join(words.setdefault("function_call", {}), legacy)
    sound = part(delta, "audio")
    if sound:
        _join(words.setdefault("audio", {}), sound)
    calls = words.setdefault("tool_calls", []) if "tool_calls" in delta else []
    for call in parts(delta, "tool_calls"):
        at = _index(call)
        calls += [{} for _ in range(at + 1 - len(calls))] if 0 <= at < _MOST_CALLS else []
        if at < len(calls):
            kind = "custom" if "custom" in call else "function"
            _join(calls[at].setdefault(kind, {}), part(call, kind))


def _join(call: dict[str, Any], more: dict[str, Any]) -> None:
    for key in ("name", "arguments", "input", "transcript"):
        if isinstance(more.get(key), str):
            call[key] = call.get(key, "") + more[key]
