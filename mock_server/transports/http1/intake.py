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
"""What a client is told whose request there is no room for."""

_PIECE = 256 * 1024
"""Bytes that the parser may have in hand before it is emptied; also bounds what a compressed body grows to at once."""

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
        """Answer what cannot be received."""
        raise NotImplementedError

    def too_slow(self) -> None:
        """A request has not become whole in time."""
        self._refuse(408, f"Your request did not arrive within {self._server.incoming.request_s:g} seconds.")

    def pause_reading(self) -> None:
        """The parser's callback: it has a lot in hand, and stops until `feed_data` is called again."""
        self._more = True
        if self._parser is not None:
            self._parser.pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """The parser's callback: it was emptied. `data_received` sees to the rest."""

    def _nothing_before(self) -> bool:
        """Would a request that is read now be the first of all, and has none of it been read before?"""
        return not self._waiting and not self._head_bytes and self._unfinished is None

    def _take(self, messages: list[tuple[RawRequestMessage, StreamReader]], size: int) -> None:
        """Line up the requests that are whole, and keep what there is of one that is not."""
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
            self._server.incoming.begun(self)
        else:
            self._server.incoming.over(self)
        if len(self._waiting) >= MAX_PIPELINED and not self._reading_stopped:
            self._reading_stopped = True
            self._pause_transport_reading()

    def _collect(self, unfinished: Unfinished) -> None:
        """Empty the parser; the request may be whole now, or refused for what its body is."""
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
        """Refuse what the parser did not take."""
        if isinstance(error, LineTooLong) or str(error.args[:1]) == _TOO_MANY:
            self._refuse(431, "A line of your request's head is too long, or it has too many.")
            return
        reason = error.message if isinstance(error, HttpProcessingError) else type(error).__name__
        self._refuse(400, f"Bad request: {reason}".splitlines()[0])

    def _release(self, size: int) -> None:
        self._held -= size
        self._server.incoming.held -= size

    def _forget(self) -> None:
        """Nothing of what has arrived is needed any more."""
        self._waiting.clear()
        self._unfinished = None
        self._release(self._held)
        self._server.incoming.over(self)
