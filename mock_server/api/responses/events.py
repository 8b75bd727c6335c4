"""A response as a stream: typed events with sequence numbers, from `response.created` to the one that ends it."""

from __future__ import annotations

from itertools import count
from typing import Any, Final, TypeAlias

import orjson

from windtunnel.mock_server.api.choices import GeneratedChoice
from windtunnel.mock_server.api.headers import EVENT_STREAM, RequestStamp, answer_headers
from windtunnel.mock_server.api.responses.hosted_tools import HostedCall
from windtunnel.mock_server.api.responses.items import View, item, item_id, logprobs_of, part, view_of
from windtunnel.mock_server.api.responses.output import Generation, Reasoning
from windtunnel.mock_server.api.responses.wire import ResponseSource, ended, started
from windtunnel.mock_server.script import End, FirstToken, Head, Role, Script, Send, Step, Tokens
from windtunnel.mock_server.sse import write_event

Beat: TypeAlias = tuple[int, bytes, Role]
"""Bytes and what they are, and how many tokens of work come before them."""

_PADDING: Final = "x7Qm2VdK9tRb4YwZ"
"""What obfuscation fills deltas up with, so that their length tells less about their content."""


class _Events:
    """Events in order, each with the next sequence number."""

    def __init__(self) -> None:
        self.number = 0

    def event(self, kind: str, fields: dict[str, Any]) -> bytes:
        data = orjson.dumps({"type": kind, "sequence_number": self.number, **fields})
        self.number += 1
        return write_event(data, kind.encode())

    def stage(self, kind: str, response: bytes) -> bytes:
        """An event with the whole response, which is JSON already."""
        number = self.number
        self.number += 1
        name = kind.encode()
        return b'event: %b\ndata: {"type":"%b","sequence_number":%d,"response":%b}\n\n' % (
            name,
            name,
            number,
            response,
        )


class _Writer:
    """Writes the items of one response as beats: the events that one token sets free."""

    def __init__(self, source: ResponseSource, view: View, events: _Events) -> None:
        self.generation: Generation = source.generation
        self.view = view
        self.events = events
        self.per_chunk = source.tokens_per_chunk
        self.beats: list[Beat] = []

    def write(self, at: int) -> None:
        """Output number `at`, from `output_item.added` to `output_item.done`."""
        output = self.generation.outputs[at]
        added = self._item("added", at, done=False)
        if isinstance(output, GeneratedChoice):
            self._item_of_choice(at, output, added)
        elif isinstance(output, Reasoning):
            self._reasoning(at, output, added)
        else:
            self._call(at, output, added)

    def _item(self, what: str, at: int, *, done: bool) -> bytes:
        fields = {"output_index": at, "item": item(self.generation, at, self.view, done=done)}
        return self.events.event(f"response.output_item.{what}", fields)

    def _item_of_choice(self, at: int, generated: GeneratedChoice, added: bytes) -> None:
        """A message or a call of a function: the first chunk takes the events that announce it along."""
        where: dict[str, Any] = {"item_id": item_id(self.generation, at), "output_index": at}
        event = self.events.event
        if generated.tool is None:
            where["content_index"] = 0
            added += event("response.content_part.added", {**where, "part": part("", [])})
        self._deltas(generated, where, added)
        kind = f"{_kind(generated)}.done"
        if generated.tool is None:
            logprobs = logprobs_of(self.generation, generated.content, self.view)
            data = event(kind, {**where, "text": generated.content, "logprobs": _brief(logprobs)})
            data += event("response.content_part.done", {**where, "part": part(generated.content, logprobs)})
        elif generated.kind == "custom":
            data = event(kind, {**where, "input": generated.content})
        else:
            data = event(kind, {**where, "arguments": generated.content})
        self.beats.append((0, data + self._item("done", at, done=True), "body"))

    def _deltas(self, generated: GeneratedChoice, where: dict[str, Any], added: bytes) -> None:
        kind = f"{_kind(generated)}.delta"
        start = f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":'
        index = ',"content_index":0' if generated.tool is None else ""
        place = f',"item_id":"{where["item_id"]}","output_index":{where["output_index"]}{index}'
        before = f'{place},"delta":"'
        pieces = list(generated.pieces(self.per_chunk, first=1))
        number = self.events.number
        self.events.number += len(pieces)
        if self.view.logprobs and generated.tool is None:
            ends = self._ends(generated, pieces)
        else:
            plain = '","logprobs":[]' if generated.tool is None else '"'
            ends = [f"{plain}{self._padding(piece)}}}\n\n" for _, piece in pieces]
        if not generated.plain:
            pieces = [(tokens, orjson.dumps(piece).decode()[1:-1]) for tokens, piece in pieces]
        beats: list[Beat] = [
            (tokens, f"{start}{at}{before}{piece}{end}".encode(), "content")
            for at, (tokens, piece), end in zip(count(number), pieces, ends, strict=False)
        ]
        beats[0] = (beats[0][0], added + beats[0][1], "content")
        self.beats += beats

    def _ends(self, generated: GeneratedChoice, pieces: list[tuple[int, str]]) -> list[str]:
        """What stands behind each delta of text with log probabilities."""
        ends, token = [], 0
        for tokens, piece in pieces:
            logprobs = _brief(logprobs_of(self.generation, piece, self.view, token))
            end = f'","logprobs":{orjson.dumps(logprobs).decode()}'
            ends.append(f"{end}{self._padding(piece)}}}\n\n")
            token += tokens
        return ends

    def _padding(self, piece: str) -> str:
        """What hides the length of a delta; nothing if the request does without."""
        return f',"obfuscation":"{_PADDING[len(piece) % len(_PADDING) :]}"' if self.view.obfuscates else ""

    def _reasoning(self, at: int, reasoning: Reasoning, added: bytes) -> None:
        """Reasoning, with as many of its tokens before each delta of its summary as make it last all along."""
        event, data = self.events.event, added
        here = {"item_id": item_id(self.generation, at), "output_index": at}
        spans = [_spans(text, self.per_chunk) for text in reasoning.parts]
        left, pieces = reasoning.tokens, sum([len(span) for span in spans])
        if not pieces:
            self.beats.append((1, data, "body"))
            data, left = b"", left - 1
        for index, (text, span) in enumerate(zip(reasoning.parts, spans, strict=True)):
            where = {**here, "summary_index": index}
            empty, full = {"type": "summary_text", "text": ""}, {"type": "summary_text", "text": text}
            data += event("response.reasoning_summary_part.added", {**where, "part": empty})
            for piece in span:
                work = left // pieces
                data += event("response.reasoning_summary_text.delta", {**where, "delta": piece})
                self.beats.append((work, data, "body"))
                data, left, pieces = b"", left - work, pieces - 1
            data += event("response.reasoning_summary_text.done", {**where, "text": text})
            data += event("response.reasoning_summary_part.done", {**where, "part": full})
        self.beats.append((left, data + self._item("done", at, done=True), "body"))

    def _call(self, at: int, output: Any, added: bytes) -> None:
        """A call that is no function's, or a compaction."""
        data = added
        for name, fields in output.before if isinstance(output, HostedCall) else (("compacting", {}),):
            data += self._hosted(at, output, name, fields)
        self.beats.append((1, data, "body"))
        data = b""
        for name, fields in output.after if isinstance(output, HostedCall) else ():
            data += self._hosted(at, output, name, fields)
        self.beats.append((output.tokens - 1, data + self._item("done", at, done=True), "body"))

    def _hosted(self, at: int, output: Any, name: str, fields: dict[str, Any]) -> bytes:
        events = output.events if isinstance(output, HostedCall) else "compaction"
        kind = f"response.{events}{name if name.startswith('_') else f'.{name}'}"
        where: dict[str, Any] = {"output_index": at}
        if events != "shell_call_command":
            where["item_id"] = item_id(self.generation, at)
        return self.events.event(kind, {**where, **fields})


def streamed_script(source: ResponseSource, stamp: RequestStamp, view: View | None = None) -> Script:
    """The healthy answer as a stream."""
    view = view_of(source.request) if view is None else view
    events = _Events()
    response = started(source)
    data = orjson.dumps(response)
    if response["background"]:
        queued = orjson.dumps({**response, "status": "queued"})
        opening = events.stage("response.created", queued) + events.stage("response.queued", queued)
    else:
        opening = events.stage("response.created", data)
    opening += events.stage("response.in_progress", data)
    writer = _Writer(source, view, events)
    for at in range(len(source.generation.outputs)):
        writer.write(at)
    over = ended(source, response, view)
    last = events.stage(f"response.{over['status']}", orjson.dumps(over))
    steps: list[Step] = [
        Head(200, answer_headers(stamp, EVENT_STREAM), "chunked"),
        Send(opening),
        FirstToken(),
    ]
    steps += _timed(writer.beats)
    steps += (Send(last, 0, "terminal"), End())
    return Script(tuple(steps))


def _timed(beats: list[Beat]) -> list[Step]:
    """Beats as steps. The first of all tokens is waited for already."""
    tokens, data, role = beats[0]
    steps: list[Step] = [Tokens(tokens - 1)] if tokens > 1 else []
    steps.append(Send(data, tokens, role))
    work: dict[int, Tokens] = {}
    for tokens, data, role in beats[1:]:
        if tokens:
            steps.append(work.get(tokens) or work.setdefault(tokens, Tokens(tokens)))
        steps.append(Send(data, tokens, role))
    return steps


def _spans(text: str, tokens: int) -> list[str]:
    """A text in pieces of so many tokens."""
    return [text[at : at + 4 * tokens] for at in range(0, len(text), 4 * tokens)]


def _brief(logprobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Log probabilities as events have them: without the bytes."""
    return [
        {
            "token": one["token"],
            "logprob": one["logprob"],
            "top_logprobs": [
                {"token": other["token"], "logprob": other["logprob"]} for other in one["top_logprobs"]
            ],
        }
        for one in logprobs
    ]


def _kind(generated: GeneratedChoice) -> str:
    """What the events of this item's content are called."""
    if generated.tool is None:
        return "response.output_text"
    return (
        "response.custom_tool_call_input"
        if generated.kind == "custom"
        else "response.function_call_arguments"
    )
