"""Server-sent events: what is written is read back, and no byte is lost on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.mock_server import sse

ONE_LINE = st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b""))
NAMES = st.none() | ONE_LINE


@given(st.lists(st.tuples(ONE_LINE, NAMES), max_size=5))
def test_what_is_written_is_read_back(events: list[tuple[bytes, bytes | None]]) -> None:
    """Events that are written, joined and split again have the same names and data, in the same order."""
    body = b"".join(sse.write_event(data, name) for data, name in events)
    read = [sse.read_event(frame) for frame in sse.split_events(body)]
    assert read == [sse.Event(name, data) for data, name in events]


@given(st.lists(st.sampled_from([b"\n", b"\r\n", b"data: x", b"event: y", b": ping", b"\n\n"]), max_size=12))
def test_splitting_loses_nothing(pieces: list[bytes]) -> None:
    """The frames of any bytes, joined, are those bytes."""
    body = b"".join(pieces)
    assert b"".join(sse.split_events(body)) == body


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (b"data: {}", "it was cut short"),
        (b": ping\n\n", "it is a comment"),
        (b"data:{}\n\n", "there is no space after the colon"),
        (b"data: {}\r\n\r\n", "its lines end in CRLF"),
        (b"data: {\ndata: }\n\n", "it has two lines of data"),
        (b"id: 1\ndata: {}\n\n", "it has an id"),
        (b"event: x\n\n", "it has no data"),
    ],
)
def test_other_spellings_are_not_read(frame: bytes, why: str) -> None:
    """A frame that this server would not write is no event, so that whoever edits events leaves it alone."""
    assert sse.read_event(frame) is None, why


@pytest.mark.parametrize(
    "frame", [b"data: {}\n\n", b"data:{}\r\n\r\n", b"event: x\ndata: {}\n\n", b"id: 1\ndata: {}"]
)
def test_data_is_found_in_any_spelling(frame: bytes) -> None:
    """The data of an event is found, and can be replaced, however its lines are written."""
    assert sse.data_of(frame) == b"{}"
    assert sse.data_of(sse.with_data(frame, rb"\1 new")) == rb"\1 new"


def test_a_stream_is_told_from_a_document() -> None:
    """A body is a stream where its first line that is no comment is a field of an event."""
    assert sse.is_event_stream(b": ping\n\ndata: {}\n\n")
    assert not sse.is_event_stream(b'{"data": 1}')
    assert not sse.is_event_stream(b"")


def test_fields_between_chunks_of_http() -> None:
    """Fields are found in bytes of a chunked HTTP body, and the sizes of its chunks are none."""
    body = b"1b\r\nevent: a\ndata: {}\n\n\r\n8\r\n: ping\n\n\r\n0\r\n\r\n"
    assert list(sse.read_fields(body)) == [(b"event", b"a"), (b"data", b"{}"), (b"", b"ping")]
