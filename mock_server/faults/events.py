"""Single events of a stream: not JSON, not UTF-8, without data, sent twice, in the wrong order, without the usage.

`after_chunks` counts chunks that carry content, and the event that is hit is the next one that carries content: the
last one where there are fewer. In a stream that is no stream of events (audio in pieces) there is nothing to hit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import orjson
from pydantic import Field

from windtunnel.mock_server.faults.base import FaultContext, FaultKind, NoParams, Params
from windtunnel.mock_server.faults.script_edits import (
    Steps,
    by_event,
    is_event_stream,
    sent,
)
from windtunnel.mock_server.request import STREAMING_APIS
from windtunnel.mock_server.script import Script, Send, Step
from windtunnel.mock_server.sse import data_of, with_data

CUT_CHARACTER = b"\xe2\x82"
"""The first two of the three bytes of a euro sign."""

_TEXT = re.compile(rb'"(?:content|delta|text|arguments|input|audio|b64_json)":\s*"')
_ANY_TEXT = re.compile(rb'":\s*"')
_USAGE = re.compile(rb'"usage":\s*\{')

_LINES = {
    "event": b"event: keepalive\n\n",
    "id": b"id: 1\n\n",
    "retry": b"retry: 3000\n\n",
    "data": b"data:\n\n",
}


class EventParams(Params):
    """Which event of a stream is hit."""

    after_chunks: int = Field(
        default=1,
        ge=0,
        le=1_000_000,
        description="The event after this many chunks of content; 0 is the first."
        " At most 1,000,000: no answer has more.",
    )


class DatalessParams(EventParams):
    """What the event has in place of data."""

    line: Literal["event", "id", "retry", "data"] = Field(
        default="event",
        description="Its only line: `event: keepalive`, `id: 1`, `retry: 3000`, or `data:` with nothing behind it.",
    )


class DuplicateParams(EventParams):
    """How many events are sent twice."""

    count: int = Field(
        default=1,
        ge=1,
        le=10_000,
        description="So many events of content in a row are sent twice."
        " At most 10,000: more would be no stream any more.",
    )


Edit: TypeAlias = Callable[[Steps, int, Any], Steps]
"""What becomes of the steps, one event each, where the event at an index is hit."""


def _hit(script: Script, params: EventParams, edit: Edit) -> Script:
    if not is_event_stream(script):
        return script
    steps = by_event(script).steps
    at = _target(steps, params.after_chunks)
    return script if at is None else Script(edit(steps, at, params))


def _target(steps: Steps, n: int) -> int | None:
    """The index of the event that is hit: one with content, else the first one that there is."""
    contents = [i for i, step in enumerate(steps) if isinstance(step, Send) and step.role == "content"]
    if contents:
        return contents[min(n, len(contents) - 1)]
    return next((i for i, step in enumerate(steps) if sent(step)), None)


def _changed(steps: Steps, at: int, change: Callable[[bytes], bytes]) -> Steps:
    step = steps[at]
    assert isinstance(step, Send)
    return (*steps[:at], replace(step, data=change(step.data)), *steps[at + 1 :])


def bad_json_event(script: Script, params: EventParams, ctx: FaultContext) -> Script:
    """The JSON of one event stops half way; the event itself is properly ended."""
    return _hit(script, params, lambda steps, at, _: _changed(steps, at, _half))


def _half(event: bytes) -> bytes:
    data = data_of(event) or b""
    if not data.startswith(b"{"):
        return with_data(event, b"{" + data)
    keep = len(data) // 2
    while data[keep] & 0xC0 == 0x80:  # not through a character: that would be another fault
        keep -= 1
    return with_data(event, data[:keep])


def bad_utf8_event(script: Script, params: EventParams, ctx: FaultContext) -> Script:
    """A character that is cut short stands in the text of one event."""
    return _hit(script, params, lambda steps, at, _: _changed(steps, at, _undecodable))


def _undecodable(event: bytes) -> bytes:
    places = [*_TEXT.finditer(event)] or [*_ANY_TEXT.finditer(event)]
    at = places[-1].end() if places else len(event.rstrip(b"\r\n"))
    return event[:at] + CUT_CHARACTER + event[at:]


def dataless_event(script: Script, params: DatalessParams, ctx: FaultContext) -> Script:
    """One more event, which has no data."""

    def insert(steps: Steps, at: int, params: DatalessParams) -> Steps:
        return (*steps[:at], Send(_LINES[params.line]), *steps[at:])

    return _hit(script, params, insert)


def duplicate_events(script: Script, params: DuplicateParams, ctx: FaultContext) -> Script:
    """Events of content are sent twice, as they are; the copies count for no further tokens."""

    def double(steps: Steps, at: int, params: DuplicateParams) -> Steps:
        left = params.count
        doubled: list[Step] = []
        for i, step in enumerate(steps):
            doubled.append(step)
            if i >= at and left and isinstance(step, Send) and (step.role == "content" or i == at):
                doubled.insert(
                    -1, replace(step, tokens=0, role="content" if step.role == "content" else "body")
                )
                left -= 1
        return tuple(doubled)

    return _hit(script, params, double)


def swapped_events(script: Script, params: EventParams, ctx: FaultContext) -> Script:
    """Swap two neighbouring events: of content, or the last one of content and what follows it."""

    def swap(steps: Steps, at: int, _: Any) -> Steps:
        other = _neighbour(steps, at)
        if other is None:
            return steps
        swapped = list(steps)
        swapped[at], swapped[other] = swapped[other], swapped[at]
        return tuple(swapped)

    return _hit(script, params, swap)


def _neighbour(steps: Steps, at: int) -> int | None:
    """The next event, the one before where none follows but the last of all; None if it is alone."""
    places = [
        i for i, step in enumerate(steps) if isinstance(step, Send) and step.role in ("content", "body")
    ]
    return next((i for i in places if i > at), next((i for i in reversed(places) if i < at), None))


def missing_usage(script: Script, params: NoParams, ctx: FaultContext) -> Script:
    """Nothing says how many tokens were used."""

    def strip(step: Step) -> Iterable[Step]:
        if not isinstance(step, Send) or not _USAGE.search(step.data):
            return (step,)
        data = data_of(step.data) if ctx.stream else step.data
        document = _document(data or b"")
        if document is None:
            return (step,)
        if document.get("choices") == [] and step.role == "body":
            return ()
        bare = orjson.dumps(_without_usage(document))
        return (replace(step, data=with_data(step.data, bare) if ctx.stream else bare),)

    return (by_event(script) if is_event_stream(script) else script).map_steps(strip)


def _document(data: bytes) -> dict[str, Any] | None:
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _without_usage(document: dict[str, Any]) -> dict[str, Any]:
    left = {key: value for key, value in document.items() if key != "usage"}
    response = left.get("response")
    return left | {"response": _without_usage(response)} if isinstance(response, dict) else left


def _kind(
    name: str,
    params: type[EventParams],
    apply: Callable[[Script, Any, FaultContext], Script],
    example: str,
    about: str,
) -> FaultKind:
    return FaultKind(
        name=name,
        family="stream",
        stage="answer",
        layer="events",
        params=params,
        apply=apply,
        apis=STREAMING_APIS,
        forms=("streamed",),
        example=example,
        about=about,
    )


KINDS = (
    _kind(
        "bad_json_event",
        EventParams,
        bad_json_event,
        "{fault: bad_json_event, with: {after_chunks: 2}, rate: 0.02}",
        "The data of one event stops in the middle of its JSON; the events around it are whole. A proxy's buffer "
        "that was cut, a writer that crashed between two writes.",
    ),
    _kind(
        "bad_utf8_event",
        EventParams,
        bad_utf8_event,
        "{fault: bad_utf8_event, rate: 0.02}",
        "Two bytes of a three-byte character stand in the text of one event, which is then no UTF-8. A "
        "server that cuts tokens at bytes.",
    ),
    _kind(
        "dataless_event",
        DatalessParams,
        dataless_event,
        "{fault: dataless_event, with: {line: event}, rate: 0.05}",
        "One more event that has no data: allowed by the SSE standard, by which a client does nothing. A gateway's "
        "heartbeat.",
    ),
    _kind(
        "duplicate_events",
        DuplicateParams,
        duplicate_events,
        "{fault: duplicate_events, with: {after_chunks: 2, count: 3}, rate: 0.02}",
        "Events with content arrive twice, byte for byte (Responses: with the same sequence_number). A proxy "
        "that sends a buffer again, a stream resumed one event too early.",
    ),
    _kind(
        "swapped_events",
        EventParams,
        swapped_events,
        "{fault: swapped_events, with: {after_chunks: 2}, rate: 0.02}",
        "Two neighbouring events arrive in the wrong order (Responses: so do their sequence_numbers). A gateway "
        "that handles events side by side.",
    ),
    FaultKind(
        name="missing_usage",
        family="stream",
        stage="answer",
        layer="content",
        params=NoParams,
        apply=missing_usage,
        apis=(*STREAMING_APIS, "embeddings"),
        example="{fault: missing_usage, match: {api: chat}}",
        about="Nothing says how many tokens were used: a stream's chunk with the usage does not come, everywhere "
        "else the field is missing. A stream of chat chunks has a usage only if it was asked for. Gateways and "
        "older deployments that do not count.",
    ),
)
