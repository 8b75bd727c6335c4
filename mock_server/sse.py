"""Server-sent events as bytes: the one place that writes, splits and reads them.

    body ──split_events──► frames ──read_event──► Event(name, data)
    Event ──write_event──► frame, with the blank line that ends it

A *frame* is the bytes of one event. Answers that send one event per token (chat, Responses) prepare the constant
part of a frame once and join it themselves, because a call for each token costs; they write what `write_event` would.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

DONE_DATA: Final = b"[DONE]"
"""What the last event of a stream of chat or of legacy completions has in place of JSON."""

DONE: Final = b"data: [DONE]\n\n"
"""That event, as it is sent."""

_EVENT_END: Final = re.compile(rb"(?<=\n\n)(?!$)|(?<=\r\n\r\n)(?!$)")
_FIRST_FIELD: Final = re.compile(rb"(?::[^\r\n]*[\r\n]+)*(?:data|event|id|retry):")
_DATA_LINE: Final = re.compile(rb"^data: ?([^\r\n]*)", re.MULTILINE)
_FIELD_LINE: Final = re.compile(rb"^(data|event|id|retry|(?=: )): ?([^\r\n]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Event:
    """The name of an event (None where it has none) and its data, which need not be JSON."""

    name: bytes | None
    data: bytes


def write_event(data: bytes, name: bytes | None = None) -> bytes:
    """Return the frame of an event with one line of data."""
    return b"data: %b\n\n" % data if name is None else b"event: %b\ndata: %b\n\n" % (name, data)


def split_events(body: bytes) -> list[bytes]:
    """Split a piece of a stream into frames; joined, they are the same bytes.

    The last one is an event that was cut short where the piece does not end with a blank line.
    """
    # A split at a place of no width keeps the blank lines with the events that they end.
    return _EVENT_END.split(body) if body else []


def read_event(frame: bytes) -> Event | None:
    """Read a frame as `write_event` writes it; None for a comment, a torn event and every other spelling."""
    if not frame.endswith(b"\n\n"):
        return None
    *names, data = frame.strip(b"\n").split(b"\n")
    if not data.startswith(b"data: "):
        return None
    if not names:
        return Event(None, data[6:])
    if len(names) > 1 or not names[0].startswith(b"event: "):
        return None
    return Event(names[0][7:], data[6:])


def is_event_stream(body: bytes) -> bool:
    """Tell whether a body begins with an event, after any number of comments."""
    return _FIRST_FIELD.match(body) is not None


def data_of(frame: bytes) -> bytes | None:
    """Return what stands on the first line of data, in any spelling; None if there is no such line."""
    match = _DATA_LINE.search(frame)
    return None if match is None else match[1]


def with_data(frame: bytes, data: bytes) -> bytes:
    """Return the same frame with other data on its first line of data."""
    return _DATA_LINE.sub(lambda _: b"data: " + data, frame, count=1)


def read_fields(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the (name, value) of each line of an event in some bytes; the name of a comment is empty.

    The bytes may be what a socket was given: sizes of HTTP chunks between the events are passed over.
    """
    for match in _FIELD_LINE.finditer(body):
        yield match[1], match[2]
