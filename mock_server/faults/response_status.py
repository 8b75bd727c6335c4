"""A response that ends otherwise than `completed`: failed or incomplete, as a document and as a stream.

    healthy events ──┬─ up to some chunk ───────────────────────────────► as they are
                     ├─ `….done` of what is open then, texts shortened ─► (incomplete only)
                     └─ `response.completed` ──► `response.failed` or `response.incomplete`

What stands in the events is taken from the healthy ones, so it has their form, whatever kind of item they are about.
The plainest document is made where there is nothing to take from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import orjson

from windtunnel.mock_server.faults.script_edits import Steps, after_chunks, by_event, is_event_stream
from windtunnel.mock_server.script import End, Script, Send, Step
from windtunnel.mock_server.sse import data_of, write_event

Document: TypeAlias = dict[str, Any]

MESSAGES = {
    "server_error": "The model failed to generate a response.",
    "rate_limit_exceeded": "Rate limit reached. Please try again later.",
}
"""What goes with a code. The first is the example of OpenAI's own reference."""

_TEXTS = ("text", "refusal", "arguments", "input", "code")
"""Fields of items, parts and events that hold what was generated."""


_SEQUENCE = re.compile(rb'"sequence_number":\s*(\d+)')


def failed(script: Script, after: int, code: str, message: str | None) -> Script:
    """The response fails after so many chunks. An answer that is no response stays as it is.

    An `error` event that another fault has put into the stream stays, and the failure follows it.
    """
    changes = _failure(code, message)
    if not is_event_stream(script):
        return _document_changed(script, lambda response: response | changes)
    before, rest = after_chunks(by_event(script), after)
    errors = [event for event in _events(rest) if event.get("type") == "error"]
    response = _response(before, rest) | changes
    closing = [*errors[:1], {"type": "response.failed", "response": response}]
    return _ended(before, closing, next_number(before, rest))


def errored(script: Script, after: int, error: Document, failure: tuple[str, str | None] | None) -> Script:
    """The stream of a response ends with an `error` event after so many chunks.

    `response.failed` follows it with the code and message of `failure`, or as it is where the script ends with one.
    """
    before, rest = after_chunks(by_event(script), after)
    closing = [event for event in _events(rest) if event.get("type") == "response.failed"][:1]
    if not closing and failure is not None:
        closing = [{"type": "response.failed", "response": _response(before, rest) | _failure(*failure)}]
    return _ended(before, [error, *closing], next_number(before, rest))


def _failure(code: str, message: str | None) -> Document:
    """Return what a failed response has in place of what the healthy one has."""
    error = {"code": code, "message": message or MESSAGES.get(code, "The response failed.")}
    return {
        "status": "failed",
        "completed_at": None,
        "error": error,
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }


def incomplete(script: Script, after: int, reason: str) -> Script:
    """The response stops after so many chunks (a document: after half of its text), and says why."""
    changes: Document = {
        "status": "incomplete",
        "completed_at": None,
        "incomplete_details": {"reason": reason},
    }

    def halved(response: Document) -> Document:
        return response | changes | {"output": shortened(response.get("output", []), lambda n: n // 2)}

    if not is_event_stream(script):
        return _document_changed(script, halved)
    before, rest = after_chunks(by_event(script), after)
    lost, unseen = _lost(rest), _unseen(rest)

    def at_place(value: Document, place: int) -> Document:
        cut: Document = shortened(value, lambda length: length - lost[place])
        return cut

    places = [(event.get("output_index", 0), event) for event in _events(rest) if _closes(event)]
    open_items = {place for place, _ in places} - unseen
    closing = [at_place(event, place) for place, event in places if place in open_items]
    response = _response(before, rest, last=True)
    output = [
        at_place(item, place) if place in open_items else item
        for place, item in enumerate(response.get("output") or [])
        if place not in unseen
    ]
    response |= changes | {"output": output, "usage": _billed(response.get("usage"), rest)}
    closing.append({"type": "response.incomplete", "response": response})
    return _ended(before, closing, next_number(before, rest))


def next_number(before: Steps, rest: Steps) -> int:
    """The sequence number of an event between the two."""
    numbers = _SEQUENCE.findall(b"".join(_data(before)))
    if numbers:
        return int(numbers[-1]) + 1
    first = _SEQUENCE.search(b"".join(_data(rest)))
    return int(first[1]) if first else 0


def shortened(value: Any, keep: Callable[[int], int]) -> Any:
    """An item, a part or an event with its texts cut to `keep(length)` characters, and no longer completed."""
    if isinstance(value, list):
        return [shortened(entry, keep) for entry in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for key, entry in value.items():
        if key in _TEXTS and isinstance(entry, str):
            changed[key] = entry[: max(0, keep(len(entry)))]
        elif key == "status" and entry == "completed":
            changed[key] = "incomplete"
        else:
            changed[key] = shortened(entry, keep)
    return changed


def _data(steps: Steps) -> Iterator[bytes]:
    return (step.data for step in steps if isinstance(step, Send))


def _events(steps: Steps) -> Iterator[Document]:
    for event in _data(steps):
        try:
            document = orjson.loads(data_of(event) or b"")
        except orjson.JSONDecodeError:
            continue
        if isinstance(document, dict):
            yield document


def _closes(event: Document) -> bool:
    return str(event.get("type", "")).endswith(".done")


def _lost(rest: Steps) -> Counter[int]:
    """Count the characters, by output index, of the events that are cut off."""
    lost: Counter[int] = Counter()
    for event in _events(rest):
        if str(event.get("type", "")).endswith(".delta"):
            lost[event.get("output_index", 0)] += len(event.get("delta") or "")
    return lost


def _unseen(rest: Steps) -> set[int]:
    """Return the output indices of items whose first event is cut off."""
    return {
        event.get("output_index", 0)
        for event in _events(rest)
        if event.get("type") == "response.output_item.added"
    }


def _response(before: Steps, rest: Steps, *, last: bool = False) -> Document:
    """Return the response in the first (or the last) event that holds one."""
    known = [
        event["response"] for event in _events((*before, *rest)) if isinstance(event.get("response"), dict)
    ]
    return known[-1 if last else 0] if known else {"object": "response"}


def _billed(usage: Document | None, rest: Steps) -> Document | None:
    """Return the usage without the tokens that are cut off."""
    if usage is None:
        return None
    lost = sum(step.tokens for step in rest if isinstance(step, Send))
    output = max(0, usage.get("output_tokens", 0) - lost)
    return usage | {"output_tokens": output, "total_tokens": usage.get("input_tokens", 0) + output}


def _ended(before: Steps, closing: list[Document], number: int) -> Script:
    """Return the steps, then the documents as numbered events; the last one is the terminal one."""
    last = len(closing) - 1
    sends = []
    for i, document in enumerate(closing):
        kind = document["type"]
        data = orjson.dumps({"type": kind, "sequence_number": number + i, **_unnumbered(document)})
        event = write_event(data, kind.encode())
        sends.append(Send(event, role="terminal" if i == last else "body"))
    return Script((*before, *sends, End()))


def _unnumbered(document: Document) -> Document:
    return {key: value for key, value in document.items() if key not in ("type", "sequence_number")}


def _document_changed(script: Script, change: Callable[[Document], Document]) -> Script:
    """An answer in one piece that is a response, changed; any other as it is."""

    def edit(step: Step) -> Iterable[Step]:
        if not isinstance(step, Send):
            return (step,)
        try:
            document = orjson.loads(step.data)
        except orjson.JSONDecodeError:
            return (step,)
        if not isinstance(document, dict) or document.get("object") != "response":
            return (step,)
        return (replace(step, data=orjson.dumps(change(document))),)

    return script.map_steps(edit)
