"""The writing half of one HTTP/2 stream: the Wire that its player plays on.

    head, body, end ──► (written) ──flush──► (flushed) ──send, as the windows allow──► frames of the connection

What has no equal in HTTP/2, where a connection belongs to many requests:

- Closing or resetting the connection ends this stream alone, by RST_STREAM with INTERNAL_ERROR, as a gateway does whose
  own connection has broken. A body that is complete, or that would have ended with the connection, ends properly.
- Bytes outside any framing are RST_STREAM with PROTOCOL_ERROR: written as they are they would break every stream.
- A frame is never torn: what was to be the beginning of a chunk is sent whole, and the reset follows it.
- A head does not trickle: it leaves whole when its last piece would have.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from h2.errors import ErrorCodes

from windtunnel.mock_server.script import Head, Signal
from windtunnel.mock_server.transports.http2.fields import FieldList, answer_fields, size_of
from windtunnel.mock_server.transports.wire import Headers, OpenConnection

Ending: TypeAlias = Literal["end"] | ErrorCodes
"""How a stream ends: properly, or by RST_STREAM with a code."""


class Frames(OpenConnection, Protocol):
    """The connection, as one stream writes to it."""

    @property
    def full(self) -> bool:
        """Whether the socket's buffers are full."""

    def room(self, stream_id: int) -> int:
        """Return how many bytes of a body may leave in one frame now."""

    def send_head(self, stream_id: int, fields: FieldList, *, end: bool) -> None:
        """Send HEADERS; `end`: and nothing after them."""

    def send_data(self, stream_id: int, data: bytes, *, end: bool) -> None:
        """Send one DATA frame; `end`: and nothing after it."""

    def send_reset(self, stream_id: int, code: ErrorCodes) -> None:
        """Send RST_STREAM."""

    def signal(self, signal: Signal) -> None:
        """Say something of the connection to the client."""

    def stream_ended(self, stream_id: int) -> None:
        """Note that nothing more is sent on a stream."""


class Http2Wire:
    """Frames an answer as HTTP/2: see `transports.wire.Wire`. `closing`: nothing more is answered on it."""

    __slots__ = (
        "_body_left",
        "_ending",
        "_fields",
        "_flushed",
        "_flushed_ending",
        "_frames",
        "_framing",
        "_stream_id",
        "_trickled",
        "_written",
        "closing",
    )

    def __init__(self, frames: Frames, stream_id: int) -> None:
        self._frames = frames
        self._stream_id = stream_id
        self._fields: FieldList | None = None
        self._framing: str | None = None
        self._body_left = 0
        self._written: list[bytes] = []
        self._ending: Ending | None = None
        self._flushed = b""
        self._flushed_ending: Ending | None = None
        self._trickled = 0
        self.closing = False

    @property
    def paused(self) -> bool:
        """See `Wire.paused`: the client's window is closed, or the socket is full."""
        return bool(self._flushed) or self._frames.full

    def head(self, head: Head, body_length: int, more: Headers = ()) -> None:
        """See `Wire.head`."""
        self._framing = head.framing
        length = body_length if head.content_length is None else head.content_length
        self._body_left = length if head.framing == "length" else 0
        self._fields = answer_fields(head, length, more)

    def body(self, data: bytes) -> None:
        """See `Wire.body`."""
        self._body_left -= len(data)
        self._written.append(data)

    def torn(self, data: bytes, size: int) -> None:
        """See `Wire.torn`."""
        self._written.append(data)

    def raw(self, data: bytes) -> None:
        """See `Wire.raw`."""
        self.reset(ErrorCodes.PROTOCOL_ERROR)

    def end(self) -> None:
        """See `Wire.end`. A body that is not as long as its head said ends all the same, for clients to find out."""
        if self._ending is None:
            self._ending = "end"

    def close(self) -> None:
        """See `Wire.close`."""
        whole = self._framing == "none" or (self._framing == "length" and not self._body_left)
        if whole:
            self.end()
        self.reset(ErrorCodes.INTERNAL_ERROR)
        self.flush()

    def abort(self, code: int | None = None) -> None:
        """See `Wire.abort`."""
        self.reset(ErrorCodes.INTERNAL_ERROR if code is None else ErrorCodes(code))
        self.flush()

    def signal(self, signal: Signal) -> None:
        """See `Wire.signal`."""
        self._frames.signal(signal)

    def reset(self, code: ErrorCodes) -> None:
        """End the stream by RST_STREAM behind what was written, unless its end was written already."""
        if self._ending is None:
            self._ending = code

    def flush(self) -> int:
        """See `Wire.flush`. Fields count as if they were not compressed, frames without their own nine bytes."""
        if self.closing:
            return 0
        size = 0
        if self._fields is not None:
            size = size_of(self._fields) - self._trickled
            self._trickled = 0
        if self._written:
            data = self._written[0] if len(self._written) == 1 else b"".join(self._written)
            self._written.clear()
            size += len(data)
            self._flushed = self._flushed + data if self._flushed else data
        if self._flushed_ending is None:
            self._flushed_ending = self._ending
        self.send()
        return size

    def flush_part(self, most: int) -> int:
        """See `Wire.flush_part`."""
        if self._fields is not None:
            left = size_of(self._fields) - self._trickled
            if left > most:
                self._trickled += most
                return most
            return self.flush()
        data = b"".join(self._written)
        self._written[:] = [data[:most]]
        size = self.flush()
        if len(data) > most:
            self._written.append(data[most:])
        return size

    def send(self) -> None:
        """Hand to the connection what the windows let through of everything that was flushed."""
        if self.closing:
            return
        frames, stream_id = self._frames, self._stream_id
        if self._fields is not None:
            fields, self._fields = self._fields, None
            ends = not self._flushed and self._flushed_ending == "end"
            frames.send_head(stream_id, fields, end=ends)
            if ends:
                self._over()
                return
        while self._flushed:
            room = frames.room(stream_id)
            if room <= 0:
                return
            piece = self._flushed if room >= len(self._flushed) else self._flushed[:room]
            self._flushed = self._flushed[len(piece) :]
            ends = not self._flushed and self._flushed_ending == "end"
            frames.send_data(stream_id, piece, end=ends)
            if ends:
                self._over()
                return
        if self._flushed_ending == "end":
            frames.send_data(stream_id, b"", end=True)
            self._over()
        elif self._flushed_ending is not None:
            frames.send_reset(stream_id, self._flushed_ending)
            self._over()

    def forget(self) -> None:
        """Drop what has not left: the client has cancelled the stream, or the connection is lost."""
        self.closing = True
        self._fields, self._flushed = None, b""
        self._written.clear()

    def _over(self) -> None:
        self.forget()
        self._frames.stream_ended(self._stream_id)
