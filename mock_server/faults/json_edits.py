"""Rewriting the JSON inside a script: a body in one piece, or the events of a stream.

    Send ──read_events──► [Event, …] ──► changed ──write_event──► Send

What is no JSON (`[DONE]`, comments, a web page, audio) passes through as it is, byte for byte, and so does JSON that
a change leaves as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import orjson

from windtunnel.mock_server.faults.base import FaultContext
from windtunnel.mock_server.faults.script_edits import sent
from windtunnel.mock_server.script import Script, Send, Step

Change: TypeAlias = Callable[[Any], Any]
"""From a JSON value, which it may change in place, to the one that is sent."""

_GAP = b"\n\n"


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event. `data` is its JSON object, None where it has none; `raw` its bytes as they are sent."""

    name: str | None
    data: dict[str, Any] | None
    raw: bytes

    @property
    def type(self) -> str:
        """The `type` in its data (Responses); empty where there is none."""
        found = self.data.get("type") if self.data is not None else None
        return found if isinstance(found, str) else ""


def make_event(name: str | None, data: dict[str, Any]) -> Event:
    """An event of this data, with its bytes."""
    head = b"" if name is None else b"event: %b\n" % name.encode()
    return Event(name, data, b"%bdata: %b\n\n" % (head, orjson.dumps(data)))


def read_events(data: bytes) -> list[Event]:
    """The events in a piece of a stream; a torn one at the end has no data."""
    *frames, rest = data.split(_GAP)
    return [*(_read(frame + _GAP) for frame in frames), *([Event(None, None, rest)] if rest else [])]


def _read(raw: bytes) -> Event:
    name: str | None = None
    payload = b""
    for line in raw.strip(b"\n").split(b"\n"):
        if line.startswith(b"event: "):
            name = line[7:].decode("utf-8", "replace")
        elif line.startswith(b"data: ") and not payload:
            payload = line[6:]
        else:
            return Event(None, None, raw)
    data = read_json(payload)
    return Event(name, data, raw) if isinstance(data, dict) else Event(name, None, raw)


def read_json(data: bytes | str) -> Any:
    """The value, or None for what is no JSON."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def whole_body(script: Script) -> int | None:
    """Where the body is, if the script sends it in one piece; else None."""
    places = [i for i, step in enumerate(script.steps) if sent(step)]
    return places[0] if len(places) == 1 else None


def edit_json(script: Script, ctx: FaultContext, change: Change) -> Script:
    """The script with `change` made to its body, or to the data of every event of its stream."""

    def edited(step: Step) -> tuple[Step, ...]:
        if not isinstance(step, Send) or not sent(step):
            return (step,)
        if not ctx.stream:
            return (replace(step, data=_changed(step.data, change)),)
        raws = [_changed_event(event, change) for event in read_events(step.data)]
        return (replace(step, data=b"".join(raws)),)

    if not ctx.stream and whole_body(script) is None:
        return script
    return script.map_steps(edited)


def _changed(data: bytes, change: Change) -> bytes:
    before = read_json(data)
    if before is None:
        return data
    after = change(read_json(data))
    return data if after == before else orjson.dumps(after)


def _changed_event(event: Event, change: Change) -> bytes:
    if event.data is None:
        return event.raw
    after = change(orjson.loads(orjson.dumps(event.data)))
    return event.raw if after == event.data else make_event(event.name, after).raw


def renumbered(script: Script) -> Script:
    """The same stream with its sequence numbers one after the other again, from the first one that it has."""
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
