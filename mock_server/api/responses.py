"""The Responses API on the wire: a `response` object, and the stream of typed events that ends with it."""

from __future__ import annotations

from typing import Any, Final

import orjson

from mock_server.api.chat import Timed, timed_steps
from mock_server.api.headers import EVENT_STREAM, JSON, RequestStamp, answer_headers
from mock_server.api.said import Said
from mock_server.request import Request
from mock_server.script import End, FirstToken, Head, Script, Send, Step, Tokens

_ECHOED: Final[dict[str, Any]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Fields of the request that a response repeats, with what they are when the request has none."""


def responses_script(
    request: Request, said: Said, *, stamp: RequestStamp, created: int, tokens_per_chunk: int
) -> Script:
    """The healthy answer to a Responses request."""
    started = _started(request, said, created)
    ended = {
        **started,
        "status": "completed",
        "completed_at": created,
        "output": [_item(said, done=True)],
        "usage": _usage(request.prompt_tokens, said.tokens),
    }
    if said.finish == "length":
        ended |= {
            "status": "incomplete",
            "completed_at": None,
            "incomplete_details": {"reason": "max_output_tokens"},
        }
    if request.stream:
        return _streamed(said, started, ended, stamp, tokens_per_chunk)
    work = (FirstToken(), Tokens(said.tokens - 1)) if said.tokens > 1 else (FirstToken(),)
    head = Head(200, answer_headers(stamp, JSON))
    return Script((head, *work, Send(orjson.dumps(ended), said.tokens, "terminal"), End()))


def _started(request: Request, said: Said, created: int) -> dict[str, Any]:
    """The response as it is when generation starts."""
    body = request.body
    response = {
        "id": f"resp_{said.ident}",
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "model": request.model,
        "output": [],
        "service_tier": "default",
        "usage": None,
        **_ECHOED,
    }
    for name in _ECHOED.keys() & body.keys():
        if body[name] is not None:
            response[name] = body[name]
    if body.get("tools"):
        response["tools"] = [_echoed_tool(tool) for tool in body["tools"]]
    if body.get("text"):
        response["text"] = {"format": {"type": "text"}, **body["text"]}
    return response


def _echoed_tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A function tool is repeated with its defaults filled in, any other as it came."""
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": True, **tool}


def _usage(prompt: int, output: int) -> dict[str, Any]:
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + output,
    }


def _item_id(said: Said) -> str:
    if said.tool is None:
        return f"msg_{said.ident}"
    return f"{'ctc' if said.kind == 'custom' else 'fc'}_{said.ident}"


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _item(said: Said, *, done: bool) -> dict[str, Any]:
    """The output item: as it is added, or as it is when it is done."""
    status = ("incomplete" if said.finish == "length" else "completed") if done else "in_progress"
    content = said.content if done else ""
    item: dict[str, Any] = {"id": _item_id(said)}
    if said.tool is None:
        parts = [_part(content)] if done else []
        return item | {"type": "message", "status": status, "role": "assistant", "content": parts}
    item |= {"call_id": f"call_{said.ident[:24]}", "name": said.tool}
    if said.kind == "custom":
        return item | {"type": "custom_tool_call", "input": content}
    return item | {"type": "function_call", "status": status, "arguments": content}


class _Events:
    """Events in order, each with the next sequence number."""

    def __init__(self) -> None:
        self.number = 0

    def event(self, kind: str, fields: dict[str, Any]) -> bytes:
        data = orjson.dumps({"type": kind, "sequence_number": self.number, **fields})
        self.number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def _streamed(
    said: Said, started: dict[str, Any], ended: dict[str, Any], stamp: RequestStamp, tokens_per_chunk: int
) -> Script:
    events = _Events()
    where = {"item_id": _item_id(said), "output_index": 0}
    opening = events.event("response.created", {"response": started})
    opening += events.event("response.in_progress", {"response": started})
    added = events.event("response.output_item.added", {"output_index": 0, "item": _item(said, done=False)})
    if said.tool is None:
        where["content_index"] = 0
        added += events.event("response.content_part.added", {**where, "part": _part("")})
    track = _deltas(said, events, where, added, tokens_per_chunk)
    closing = _closing(said, events, where)
    last = events.event(f"response.{ended['status']}", {"response": ended})
    steps: tuple[Step, ...] = (
        Head(200, answer_headers(stamp, EVENT_STREAM), "chunked"),
        Send(opening),
        FirstToken(),
        *timed_steps(track),
        Send(closing),
        Send(last, 0, "terminal"),
        End(),
    )
    return Script(steps)


def _kind(said: Said) -> str:
    """What the events of this item's content are called."""
    if said.tool is None:
        return "response.output_text"
    return "response.custom_tool_call_input" if said.kind == "custom" else "response.function_call_arguments"


def _deltas(
    said: Said, events: _Events, where: dict[str, Any], added: bytes, tokens_per_chunk: int
) -> list[Timed]:
    """The chunks of content; the first one takes the events that announce the item along."""
    kind = f"{_kind(said)}.delta"
    start = f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":'
    place = "".join([f',"{name}":{orjson.dumps(value).decode()}' for name, value in where.items()])
    before = f'{place},"delta":"'
    after = '","logprobs":[]}\n\n' if said.tool is None else '"}\n\n'
    number = events.number
    track: list[Timed] = []
    for tokens, piece in said.pieces(tokens_per_chunk, first=1):
        if not said.plain:
            piece = orjson.dumps(piece).decode()[1:-1]
        track.append((tokens, f"{start}{number}{before}{piece}{after}".encode()))
        number += 1
    events.number = number
    track[0] = (track[0][0], added + track[0][1])
    return track


def _closing(said: Said, events: _Events, where: dict[str, Any]) -> bytes:
    kind = f"{_kind(said)}.done"
    if said.tool is None:
        data = events.event(kind, {**where, "text": said.content, "logprobs": []})
        data += events.event("response.content_part.done", {**where, "part": _part(said.content)})
    else:
        field = "input" if said.kind == "custom" else "arguments"
        data = events.event(kind, {**where, field: said.content})
    item = {"output_index": 0, "item": _item(said, done=True)}
    return data + events.event("response.output_item.done", item)
