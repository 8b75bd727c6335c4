"""The reading half of an HTTP/1.1 connection: from bytes to whole requests that wait in line.

    bytes ──► aiohttp's parser ──► head ──► Unfinished ──(its body, piece by piece)──► waiting
                  └─ not HTTP, too long, too slow, too much ──► refused

The parser is emptied after every read, so that what is kept of a body is its bytes and nothing else.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from windtunnel.mock_server.transports.http1.limits import (
    MAX_HEAD,
    MAX_HEADERS,
    MAX_HELD,
    MAX_LINE,
    MAX_PIPELINED,
    Unfinished,
)
from windtunnel.mock_server.transports.http1.wire import Http1Wire

if TYPE_CHECKING:
    from windtunnel.mock_server.server.server import Server

FULL = f"Requests of {MAX_HELD} bytes are under way already, as many as this server keeps."
"""The message of the 503 to a request for which there is no room."""

_PIECE = 256 * 1024
"""Bytes that the parser may hold before it is emptied; also bounds what a compressed body grows to at once."""

_TOO_MANY = "('Too many headers received',)"


class Http1Intake(Http1Wire):
    """Reads requests, and refuses what cannot be received. `_waiting` are those that are whole, in order."""

    __slots__ = (
        "_head_bytes",
        "_held",
        "_more",
        "_reading_stopped",
        "_server",
        "_unfinished",
        "_waiting",
    )

    def __init__(self, server: Server) -> None:
        super().__init__(server.loop, server.write_batch)
        self._parser = HttpRequestParser(
            self,
            server.loop,
            _PIECE,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
            max_msg_queue_size=MAX_PIPELINED,
        )
        self._server = server
        self._waiting: deque[tuple[RawRequestMessage, bytes]] = deque()
        self._unfinished: Unfinished | None = None
        self._head_bytes = 0
        self._held = 0
        self._more = False
        self._reading_stopped = False

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that cannot be received."""
        raise NotImplementedError

    def too_slow(self) -> None:
        """Refuse a request that has not become whole in time."""
        self._refuse(408, f"Your request did not arrive within {self._server.incoming.request_s:g} seconds.")

    def pause_reading(self) -> None:
        """The parser's callback: it holds a lot, and stops until `feed_data` is called again."""
        self._more = True
        if self._parser is not None:
            self._parser.pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """The parser's callback: it was emptied. Nothing to do: `data_received` continues by itself."""

    def _nothing_before(self) -> bool:
        """Whether no request waits, and no part of one has been read."""
        return not self._waiting and not self._head_bytes and self._unfinished is None

    def _take(self, messages: list[tuple[RawRequestMessage, StreamReader]], size: int) -> None:
        """Append the requests that are whole to those that wait, and keep the part of one that is not."""
        if self._unfinished is not None:
            self._collect(self._unfinished)
        elif not messages and not self._reading_stopped:
            self._head_bytes += size
            if self._head_bytes > MAX_HEAD:
                self._refuse(431, f"The head of your request is longer than {MAX_HEAD} bytes.")
        for message, payload in messages:
            self._head_bytes = 0
            if payload is EMPTY_PAYLOAD:
                self._waiting.append((message, b""))
            elif not self._closing:
                self._unfinished = Unfinished(message, payload)
                self._collect(self._unfinished)
        if self._parser is None:
            return
        if self._unfinished is not None or self._head_bytes:
            self._server.incoming.started(self)
        else:
            self._server.incoming.ended(self)
        if len(self._waiting) >= MAX_PIPELINED and not self._reading_stopped:
            self._reading_stopped = True
            self._pause_transport_reading()

    def _collect(self, unfinished: Unfinished) -> None:
        """Empty the parser; the request is whole then, or refused, or waits for more of its body."""
        payload, body = unfinished.payload, unfinished.body
        if payload.exception() is not None:
            self._refuse(400, "Bad request: the body could not be read")
            return
        piece = payload.read_nowait()
        body += piece
        if unfinished.too_long():
            self._refuse(413, f"Your request's body is longer than {unfinished.longest} bytes.")
        elif not self._server.incoming.room(len(piece)):
            self._refuse(503, FULL)
        else:
            self._held += len(piece)
            if payload.is_eof():
                self._unfinished = None
                self._waiting.append((unfinished.message, bytes(body)))

    def _unreadable(self, error: Exception) -> None:
        """Refuse bytes that the parser did not accept."""
        if isinstance(error, LineTooLong) or str(error.args[:1]) == _TOO_MANY:
            self._refuse(431, "A line of your request's head is too long, or it has too many.")
            return
        reason = error.message if isinstance(error, HttpProcessingError) else type(error).__name__
        self._refuse(400, f"Bad request: {reason}".splitlines()[0])

    def _release(self, size: int) -> None:
        self._held -= size
        self._server.incoming.held -= size

    def _forget(self) -> None:
        """Drop everything that has been received and not answered."""
        self._waiting.clear()
        self._unfinished = None
        self._release(self._held)
        self._server.incoming.ended(self)
