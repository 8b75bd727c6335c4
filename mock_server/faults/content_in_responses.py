"""Read and write the reply in a response: an output item, the events that build it up, the response at the end.

This reads back what the API wrote (`api/responses/wire.py`, `events.py`). Items without words of their own (reasoning)
stay as they are; the first message or call is the reply, further ones go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from windtunnel.mock_server.faults.content_replacement import ChoiceReply, Chunk, Kind
from windtunnel.mock_server.faults.json_edits import JsonEvent, make_json_event, part, parts

_KINDS: dict[str, Kind] = {"function_call": "function", "custom_tool_call": "custom", "message": "text"}
_PREFIXES: dict[Kind, str] = {"function": "fc", "custom": "ctc", "text": "msg", "refusal": "msg"}
_EVENTS: dict[Kind, tuple[str, str]] = {
    "text": ("response.output_text", "text"),
    "refusal": ("response.refusal", "refusal"),
    "function": ("response.function_call_arguments", "arguments"),
    "custom": ("response.custom_tool_call_input", "input"),
}
"""What the events of an item's content are called, and the key of the whole of it in the last one."""

_DELTAS = frozenset(f"{name}.delta" for name, _ in _EVENTS.values())
_AROUND = frozenset(
    (
        *(f"{name}.done" for name, _ in _EVENTS.values()),
        *(
            f"response.{what}.{when}"
            for what in ("output_item", "content_part")
            for when in ("added", "done")
        ),
    )
)
"""The events before and after the deltas of an item."""

_LAST = frozenset(("response.completed", "response.incomplete"))
_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}


def _part(reply: ChoiceReply, text: str) -> dict[str, Any]:
    if reply.kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _read(item: dict[str, Any], response: dict[str, Any]) -> ChoiceReply:
    """Read the reply in an output item."""
    kind = _KINDS[item["type"]]
    reason = part(response, "incomplete_details").get("reason")
    finish = next((word for word, found in _REASONS.items() if found == reason), "stop")
    if kind != "text":
        text = item.get(_EVENTS[kind][1])
        return ChoiceReply(0, kind, str(text or ""), finish, str(item.get("name") or ""))
    content = part(item.get("content"), 0)
    if content.get("type") == "refusal":
        return ChoiceReply(0, "refusal", str(content.get("refusal") or ""), finish)
    return ChoiceReply(0, "text", str(content.get("text") or ""), finish)


class ResponsesDialect:
    """The Responses API. Each answer needs an instance of its own: reading notes which items hold the reply."""

    def __init__(self) -> None:
        self._places: list[int] = []
        self._old: dict[str, Any] = {}

    def read_body(self, body: dict[str, Any]) -> list[ChoiceReply]:
        output = parts(body, "output")
        self._places = [place for place, item in enumerate(output) if item.get("type") in _KINDS]
        if not self._places:
            return []
        first, *others = (output[place] for place in self._places)
        self._old = first
        return [replace(_read(first, body), more=sum(_read(item, body).tokens for item in others))]

    def write_body(self, body: dict[str, Any], replies: dict[int, ChoiceReply], fewer: int) -> dict[str, Any]:
        first, *others = self._places
        output = [
            self._item(replies[0], done=True) if place == first else item
            for place, item in enumerate(parts(body, "output"))
            if place not in others
        ]
        reason = _REASONS.get(replies[0].finish)
        written = {
            **body,
            "output": output,
            "status": "incomplete" if reason else "completed",
            "incomplete_details": {"reason": reason} if reason else None,
            "completed_at": None if reason else body.get("completed_at") or body.get("created_at"),
        }
        usage = body.get("usage")
        if fewer and isinstance(usage, dict):
            less = {key: usage[key] - fewer for key in ("output_tokens", "total_tokens") if key in usage}
            written["usage"] = {**usage, **less}
        return written

    def read_stream(self, events: Sequence[JsonEvent]) -> list[ChoiceReply]:
        last = next((event.data for event in events if event.type in _LAST), None)
        return self.read_body(part(last, "response"))

    def chunk(self, events: Sequence[JsonEvent]) -> Chunk | None:
        deltas = [event.data for event in events if event.type in _DELTAS and event.data is not None]
        return Chunk(0, sum(len(str(data.get("delta", ""))) for data in deltas)) if deltas else None

    def write_chunk(
        self, events: Sequence[JsonEvent], reply: ChoiceReply, piece: str, *, first: bool
    ) -> list[JsonEvent]:
        made = [event for event in events if not self._belongs_to_reply(event)]
        if first:
            made.append(self._item_event("added", reply, done=False))
            made += self._part_event("added", reply, "")
        logprobs: dict[str, Any] = {"logprobs": []} if reply.kind == "text" else {}
        delta = {**self._where(reply), "delta": piece, **logprobs}
        return [*made, _event(f"{_EVENTS[reply.kind][0]}.delta", delta)]

    def write_other(
        self, events: Sequence[JsonEvent], replies: dict[int, ChoiceReply], fewer: int
    ) -> list[JsonEvent]:
        made: list[JsonEvent] = []
        for event in events:
            if event.type in _LAST:
                response = self.write_body(part(event.data, "response"), replies, fewer)
                made += self._closing(replies[0])
                made.append(_event(f"response.{response['status']}", {"response": response}))
            elif not self._belongs_to_reply(event):
                made.append(event)
        return made

    def _closing(self, reply: ChoiceReply) -> list[JsonEvent]:
        name, key = _EVENTS[reply.kind]
        logprobs: dict[str, Any] = {"logprobs": []} if reply.kind == "text" else {}
        return [
            _event(f"{name}.done", {**self._where(reply), key: reply.text, **logprobs}),
            *self._part_event("done", reply, reply.text),
            self._item_event("done", reply, done=True),
        ]

    def _belongs_to_reply(self, event: JsonEvent) -> bool:
        """Tell whether an event is one of those that build up an item that holds the reply."""
        known = event.type in _DELTAS or event.type in _AROUND
        return known and event.data is not None and event.data.get("output_index", 0) in self._places

    def _ident(self, reply: ChoiceReply) -> str:
        return f"{_PREFIXES[reply.kind]}_{str(self._old.get('id', '')).partition('_')[2]}"

    def _where(self, reply: ChoiceReply) -> dict[str, Any]:
        """The keys that say which content of which item an event belongs to."""
        where = {"item_id": self._ident(reply), "output_index": self._places[0]}
        return {**where, "content_index": 0} if reply.kind in ("text", "refusal") else where

    def _item_event(self, when: str, reply: ChoiceReply, *, done: bool) -> JsonEvent:
        item = {"output_index": self._places[0], "item": self._item(reply, done=done)}
        return _event(f"response.output_item.{when}", item)

    def _part_event(self, when: str, reply: ChoiceReply, text: str) -> list[JsonEvent]:
        """The event around the only part of a message; none for a call, which has no parts."""
        if reply.kind not in ("text", "refusal"):
            return []
        return [_event(f"response.content_part.{when}", {**self._where(reply), "part": _part(reply, text)})]

    def _item(self, reply: ChoiceReply, *, done: bool) -> dict[str, Any]:
        """The output item as it is added, or as it is when it is done."""
        ident = self._ident(reply)
        status = ("incomplete" if reply.finish in _REASONS else "completed") if done else "in_progress"
        if reply.kind in ("text", "refusal"):
            content = [_part(reply, reply.text)] if done else []
            return {"id": ident, "type": "message", "status": status, "role": "assistant", "content": content}
        call_id = self._old.get("call_id") or f"call_{ident.partition('_')[2][:24]}"
        item = {"id": ident, "call_id": call_id, "name": reply.name}
        text = reply.text if done else ""
        if reply.kind == "custom":
            return item | {"type": "custom_tool_call", "input": text}
        return item | {"type": "function_call", "status": status, "arguments": text}


def _event(name: str, fields: dict[str, Any]) -> JsonEvent:
    """Return an event. Its sequence number is a placeholder: `renumbered` counts when the whole stream is there."""
    return make_json_event(name, {"type": name, "sequence_number": 0, **fields})
