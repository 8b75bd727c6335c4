"""Edit the JSON inside a script: a body in one piece, or the events of a stream.

    Send ──read_json_events──► [JsonEvent, …] ──change──► [JsonEvent, …] ──► Send

What is no JSON (`[DONE]`, comments, a web page, audio) passes through as it is, byte for byte, and so does JSON that
a change leaves as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import orjson

from windtunnel.mock_server import sse
from windtunnel.mock_server.faults.base import FaultContext
from windtunnel.mock_server.faults.script_edits import sent
from windtunnel.mock_server.script import Script, Send, Step

Change: TypeAlias = Callable[[Any], Any]
"""From a JSON value, which it may change in place, to the one that is sent."""


@dataclass(frozen=True, slots=True)
class JsonEvent:
    """One server-sent event. `data` is its JSON object, None where it has none; `raw` its bytes as they are sent."""

    name: str | None
    data: dict[str, Any] | None
    raw: bytes

    @property
    def type(self) -> str:
        """The `type` in its data (Responses); empty where there is none."""
        found = self.data.get("type") if self.data is not None else None
        return found if isinstance(found, str) else ""


def make_json_event(name: str | None, data: dict[str, Any]) -> JsonEvent:
    """Return an event with this data, and its bytes."""
    raw = sse.write_event(orjson.dumps(data), None if name is None else name.encode())
    return JsonEvent(name, data, raw)


def read_json_events(data: bytes) -> list[JsonEvent]:
    """Read the events in a piece of a stream; a torn one at the end has no data."""
    return [_read(frame) for frame in sse.split_events(data)]


def _read(frame: bytes) -> JsonEvent:
    event = sse.read_event(frame)
    if event is None:
        return JsonEvent(None, None, frame)
    name = None if event.name is None else event.name.decode("utf-8", "replace")
    data = read_json(event.data)
    return JsonEvent(name, data if isinstance(data, dict) else None, frame)


def read_json(data: bytes | str) -> Any:
    """Return the JSON value, or None for what is no JSON."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def whole_body(script: Script) -> int | None:
    """Return the index of the body if the script sends it in one piece; else None."""
    places = [i for i, step in enumerate(script.steps) if sent(step)]
    return places[0] if len(places) == 1 else None


def edit_json(script: Script, ctx: FaultContext, change: Change) -> Script:
    """Return the script with `change` applied to its body, or to the data of every event of its stream."""

    def edited(step: Step) -> tuple[Step, ...]:
        if not isinstance(step, Send) or not sent(step):
            return (step,)
        if not ctx.stream:
            return (replace(step, data=_changed(step.data, change)),)
        raws = [_changed_event(event, change) for event in read_json_events(step.data)]
        return (replace(step, data=b"".join(raws)),)

    if not ctx.stream and whole_body(script) is None:
        return script
    return script.map_steps(edited)


def _changed(data: bytes, change: Change) -> bytes:
    before = read_json(data)
    if before is None:
        return data
    # Read a second time, because `change` may edit in place and `before` must not follow.
    after = change(read_json(data))
    return data if after == before else orjson.dumps(after)


def _changed_event(event: JsonEvent, change: Change) -> bytes:
    if event.data is None:
        return event.raw
    # `change` may edit in place; a copy tells whether it did, and an event that stays keeps its own spelling.
    after = change(orjson.loads(orjson.dumps(event.data)))
    return event.raw if after == event.data else make_json_event(event.name, after).raw


def renumbered(script: Script) -> Script:
    """Number the events of the stream consecutively again, from the first sequence number that it has."""
    number: int | None = None

    def renumber(data: Any) -> Any:
        nonlocal number
        if isinstance(data, dict) and isinstance(data.get("sequence_number"), int):
            number = data["sequence_number"] if number is None else number + 1
            data["sequence_number"] = number
        return data

    return edit_json(script, FaultContext(api="responses", stream=True), renumber)


def part(holder: Any, key: str | int) -> dict[str, Any]:
    """The JSON object at a key (or index) of another one; an empty one where there is none."""
    try:
        found = holder[key]
    except (KeyError, IndexError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def parts(holder: Any, key: str) -> list[dict[str, Any]]:
    """The JSON objects in the list at a key; none where there is no such list."""
    found = holder.get(key) if isinstance(holder, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
