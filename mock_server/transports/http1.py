"""HTTP/1.1 over asyncio: aiohttp's parser reads the requests, scripts are written as raw bytes.

    bytes ──► aiohttp's HttpRequestParser ──► request ──► Shell.arrived() ──► Exchange
    bytes ◄── Connection, the Wire that the exchange's player plays on ◄──┘

A connection is a protocol of callbacks without a task: `connection_lost` tells the exchange in flight at
once that its client left, and a token costs one timer and one write.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from aiohttp import HttpVersion10
from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from mock_server.script import Head
from mock_server.transports.framing import CONTINUE
from mock_server.transports.http1_wire import Http1Wire

if TYPE_CHECKING:
    from mock_server.transports.shell import Shell

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a request's body; a larger one gets a 413."""

MAX_LINE = 65_536
"""Bytes of a request line or a header."""

MAX_PIPELINED = 32
"""Requests that wait behind the one in flight before the connection is no longer read."""

ADMIN_PATHS = ("/_windtunnel", "/metrics")


class InFlight(Protocol):
    """What a connection knows of the request that it is answering."""

    wire_over: bool

    def client_left(self) -> None:
        """The client closed or reset the connection."""

    def wake(self) -> None:
        """Go on: the client has read what held the answer up."""


class Connection(Http1Wire):
    """One client's connection to one region; also the wire of the request in flight on it."""

    __slots__ = (
        "_asked_to_continue",
        "_current",
        "_reading_stopped",
        "_requests",
        "_shell",
        "_waiting",
        "connection_id",
        "region",
    )

    def __init__(self, shell: Shell, region: str) -> None:
        super().__init__(shell.loop, shell.outbox)
        self._parser = HttpRequestParser(
            self, shell.loop, MAX_BODY, max_line_size=MAX_LINE, max_field_size=MAX_LINE
        )
        self._shell = shell
        self.region = region
        self.connection_id = 0
        self._waiting: deque[tuple[RawRequestMessage, StreamReader]] = deque()
        self._current: InFlight | None = None
        self._requests = 0
        self._reading_stopped = False
        self._asked_to_continue = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: a client connected."""
        super().connection_made(transport)
        self.connection_id = self._shell.connected(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio's callback: the connection is over, by whoever's will."""
        super().connection_lost(exc)
        self._shell.disconnected(self)
        self._waiting.clear()
        self._closing = True
        self._parser = None
        self._gone()

    def eof_received(self) -> bool | None:
        """asyncio's callback: the client sent FIN, and with it left the request in flight."""
        if self._current is not None:
            self._gone()
            self._closing = True
            if self.transport is not None:
                self.transport.abort()
        return None

    def resume_writing(self) -> None:
        """asyncio's callback: the client has read on."""
        super().resume_writing()
        if self._current is not None:
            self._current.wake()

    def pause_reading(self) -> None:
        """The parser's callback: a body outgrew its buffer."""
        self._refuse(413, f"Request body is larger than {MAX_BODY} bytes")

    def resume_reading(self, resume_parser: bool = True) -> None:
        """The parser's callback: a body was read. Nothing was paused for it."""

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: bytes of requests."""
        if self._closing or self._parser is None:
            return
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except HttpProcessingError as error:
            self._refuse(400, f"Bad request: {error.message}".splitlines()[0])
            return
        if len(messages) == 1 and self._current is None and not self._waiting and not upgraded:
            message, payload = messages[0]
            if payload is EMPTY_PAYLOAD or payload.is_eof():
                # Nearly every request: alone, and whole in one read.
                self._begin(message, payload.read_nowait())
                return
        self._waiting.extend(messages)
        if upgraded:
            # Nothing here speaks another protocol: the request is answered, and what follows it is not read.
            self._parser = None
        if self._current is None:
            self._next()
        if len(self._waiting) > MAX_PIPELINED and not self._reading_stopped:
            self._reading_stopped = True
            self._pause_transport_reading()

    def over(self) -> None:
        """The answer in flight is complete on the wire: close, or begin with the next request."""
        self._current = None
        if self._closing:
            return
        if not self._keep_alive:
            self.close()
        elif self._waiting:
            # Not a direct call: a long pipeline would recurse.
            self._loop.call_soon(self._next)

    def later(self, call: Callable[[], None]) -> None:
        """Do something in the loop's next round."""
        self._loop.call_soon(call)

    def _next(self) -> None:
        """Begin with the first request that waits, if there is one and it is complete."""
        if not self._waiting or self._closing or self._current is not None:
            return
        message, payload = self._waiting[0]
        body = b""
        if payload is not EMPTY_PAYLOAD:
            if not payload.is_eof():
                self._unfinished_body(message, payload)
                return
            body = payload.read_nowait()
        self._waiting.popleft()
        self._asked_to_continue = False
        if self._reading_stopped and len(self._waiting) <= MAX_PIPELINED // 2:
            self._reading_stopped = False
            self._resume_transport_reading()
        self._begin(message, body)

    def _begin(self, message: RawRequestMessage, body: bytes) -> None:
        number = self._requests
        self._requests = number + 1
        self._keep_alive = not message.should_close and self._parser is not None
        self._version10 = message.version is HttpVersion10
        if message.path.startswith(ADMIN_PATHS):
            exchange: InFlight = self._shell.admin_request(self, message, body)
        else:
            exchange = self._shell.arrived(self, message, body, number)
        # An answer that needs no time is over by now, and has called `over`.
        if not exchange.wire_over:
            self._current = exchange

    def _unfinished_body(self, message: RawRequestMessage, payload: StreamReader) -> None:
        if payload.exception() is not None:
            self._refuse(400, "Bad request: the body could not be read")
        elif payload.total_bytes > MAX_BODY:
            self._refuse(413, f"Request body is larger than {MAX_BODY} bytes")
        elif not self._asked_to_continue and message.headers.get("Expect", "").lower() == "100-continue":
            self._asked_to_continue = True
            self.raw(CONTINUE)
            self.flush()

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that cannot be read, and close. It has no identity, so it has no journal row."""
        if self._closing or self.transport is None:
            return
        self._gone()
        self._keep_alive = False
        self.answer_header = ""
        body = self._shell.error_body(status, message)
        self.head(Head(status, (("content-type", "application/json"),)), len(body))
        self.body(body)
        self.end()
        self.flush()
        self.close()

    def _gone(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current.client_left()
