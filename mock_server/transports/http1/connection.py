"""HTTP/1.1 over asyncio: aiohttp's parser reads the requests, scripts are written as raw bytes.

    bytes ──► aiohttp's HttpRequestParser ──► request ──► Server.request_received() ──► Exchange
    bytes ◄── Connection, the Wire that the exchange's player plays on ◄──┘

A connection is a protocol of callbacks without a task: `connection_lost` tells the exchange in flight at
once that its client left, and a token costs one timer and one write. What a client may send, and for how long, is
bounded in `limits`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Protocol

from aiohttp import HttpVersion10
from aiohttp.http import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD

from windtunnel.mock_server.api.json_body import MAX_VALUES
from windtunnel.mock_server.api.parse import hash_in_steps
from windtunnel.mock_server.transports.failures import FAILED
from windtunnel.mock_server.transports.http1.framing import CONTINUE
from windtunnel.mock_server.transports.http1.intake import FULL, Http1Intake
from windtunnel.mock_server.transports.http1.limits import (
    ADMIN_PATHS,
    LARGE,
    LONG,
    MAX_HELD,
    MAX_PIPELINED,
    weight,
)

if TYPE_CHECKING:
    from windtunnel.mock_server.server.server import Server


class InFlight(Protocol):
    """The request that a connection is answering, as the connection uses it."""

    wire_over: bool

    def client_left(self) -> None:
        """Note that the client has closed or reset the connection."""

    def wake(self) -> None:
        """Continue: the client has read what had filled the buffers."""


class Hashing:
    """What is in flight while a long body is hashed."""

    wire_over = False

    def client_left(self) -> None:
        """Nothing to do: whoever hashes sees that this is not in flight any more."""

    def wake(self) -> None:
        """Nothing to do: nothing is written yet."""


class Connection(Http1Intake):
    """One client's connection to one region (`""`: to the admin API alone); also the wire of the request in flight
    on it."""

    __slots__ = (
        "_current",
        "_refusal",
        "_requests",
        "connection_id",
        "region",
    )

    def __init__(self, server: Server, region: str) -> None:
        super().__init__(server)
        self.region = region
        self.connection_id = 0
        self._current: InFlight | None = None
        self._requests = 0
        self._refusal: tuple[int, str] | None = None

    # ---- asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: a client connected."""
        super().connection_made(transport)
        server = self._server
        self.connection_id = server.connected(self)
        if self.region and len(server.connections) > server.incoming.most_connections:
            most = server.incoming.most_connections
            self._count(503)
            self.refuse(
                503, f"{most} connections are open already, as many as this server takes.", linger=False
            )

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio's callback: the connection is over, closed by either side."""
        super().connection_lost(exc)
        self._server.disconnected(self)
        self._closing = True
        self._forget()
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

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: bytes of requests."""
        parser = self._parser
        if self._closing or parser is None:
            return
        self._more = False
        try:
            messages, upgraded, _ = parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - any exception of the parser is about the client's bytes
            self._unreadable(error)
            return
        if len(messages) == 1 and self._current is None and not upgraded and self._nothing_before():
            message, payload = messages[0]
            if payload is EMPTY_PAYLOAD or payload.is_eof():
                # Nearly every request: alone, and whole in one read.
                parser.message_consumed()
                self._begin(message, payload.read_nowait())
                return
        self._take(messages, len(data))
        if upgraded:
            # Nothing here speaks another protocol: the request is answered, and what follows it is not read.
            self._parser = None
        if self._current is None:
            self._next()
        if self._more:
            self.later(self._read_on)

    # ---- the way in

    def _next(self) -> None:
        """Begin with the first waiting request, if there is one."""
        if self._closing or self._current is not None:
            return
        if not self._waiting:
            if self._refusal is not None:
                self._refuse(*self._refusal)
            elif self._unfinished is not None and self._unfinished.invited():
                self.raw(CONTINUE)
                self.flush()
            return
        message, body = self._waiting.popleft()
        self._release(len(body))
        if self._parser is not None:
            self._parser.message_consumed()
        if self._reading_stopped and len(self._waiting) <= MAX_PIPELINED // 2:
            self._reading_stopped = False
            self._loop.call_soon(self._read_on)
        self._begin(message, body)

    def _read_on(self) -> None:
        """Continue with the bytes that the parser still holds, and then with reading."""
        if not self._closing:
            self.data_received(b"")
            if not self._reading_stopped:
                self._resume_transport_reading()

    def _begin(self, message: RawRequestMessage, body: bytes) -> None:
        number = self._requests
        self._requests = number + 1
        self._keep_alive = not message.should_close and (
            self._parser is not None or self._refusal is not None
        )
        self._version10 = message.version is HttpVersion10
        server = self._server
        heavy = 0
        if len(body) > LARGE:
            heavy = weight(message.headers, body)
            if heavy < 0:
                self._reject(413, f"Your request's body holds more than {MAX_VALUES} values.")
                return
            if server.incoming.held + heavy > MAX_HELD:
                self._reject(503, FULL)
                return
        if len(body) > LONG and self.region:
            self._hash_first(message, body, number, heavy)
            return
        self._hand_on(message, body, number, heavy)

    def _hash_first(self, message: RawRequestMessage, body: bytes, number: int, heavy: int) -> None:
        """Hash a long body in steps, and hand the request on then: reading it takes long enough."""
        server = self._server
        hashing = Hashing()
        self._current = hashing
        server.incoming.take(hashing, heavy)
        found: list[str] = []

        def steps() -> Generator[None, None, None]:
            kind = message.headers.get("content-type", "")
            found.append((yield from hash_in_steps(kind, body)))

        def over(error: Exception | None) -> None:
            server.incoming.done(hashing)
            if self._current is not hashing or self._closing:  # the client has left
                return
            self._current = None
            if error is not None:
                server.counters.failures.note(error)
                self._reject(500, FAILED)
                return
            self._hand_on(message, body, number, heavy, found[0])

        server.long_work.add(steps(), over)

    def _hand_on(
        self, message: RawRequestMessage, body: bytes, number: int, heavy: int, body_hash: str | None = None
    ) -> None:
        server = self._server
        try:
            if not self.region or message.path.startswith(ADMIN_PATHS):
                exchange: InFlight = server.admin_request_received(self, message, body)
            else:
                exchange = server.request_received(self, message, body, number, heavy, body_hash)
        except Exception as error:  # noqa: BLE001 - any bug is answered with a 500
            server.counters.failures.note(error)
            self._reject(500, FAILED)
            return
        # An answer that needs no time is over by now, and has called `over`.
        if not exchange.wire_over:
            self._current = exchange

    # ---- the ways on and out

    def over(self) -> None:
        """The answer in flight is complete on the wire: close, or begin with the next request."""
        self._current = None
        if self._closing:
            return
        if not self._keep_alive:
            self.close()
        elif self._waiting or self._refusal is not None or self._unfinished is not None:
            # Not a direct call: a long pipeline would recurse.
            self._loop.call_soon(self._next)

    def later(self, call: Callable[[], None]) -> None:
        """Call a function in the loop's next round."""
        self._loop.call_soon(call)

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that cannot be received, and close. It has no identity, so it has no journal row.

        What was whole before it is answered first; nothing more is read meanwhile.
        """
        if self._closing or self.transport is None:
            return
        self._parser = None
        self._unfinished = None
        self._server.incoming.ended(self)
        if self._current is not None or self._waiting:
            self._refusal = (status, message)
            self._resume_transport_reading()
            return
        self._forget()
        self._count(status)
        self.refuse(status, message)

    def _reject(self, status: int, message: str) -> None:
        """Refuse the request whose turn it is, and with it those that wait behind it."""
        self._waiting.clear()
        self._refuse(status, message)

    def _count(self, status: int) -> None:
        unreceived = self._server.counters.unreceived
        unreceived[status] = unreceived.get(status, 0) + 1

    def _gone(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current.client_left()
