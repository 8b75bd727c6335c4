"""HTTP/1.1 over asyncio: aiohttp's parser reads the requests, scripts are written as raw bytes.

    bytes ──► Intake: the parser, whole requests in line ──► ReceivedRequest ──► Server.request_received() ──► Exchange
    bytes ◄── Http1Wire, on which the exchange's player plays ◄──────────────┘

A connection is a protocol of callbacks without a task: `connection_lost` tells the exchange in flight at
once that its client left, and a token costs one timer and one write. What a client may send, and for how long, is
bounded in `windtunnel.mock_server.transports.limits`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from windtunnel.mock_server.transports.door import TOO_MANY
from windtunnel.mock_server.transports.http1.framing import CONTINUE
from windtunnel.mock_server.transports.http1.intake import Intake
from windtunnel.mock_server.transports.http1.parser import Incoming
from windtunnel.mock_server.transports.http1.wire import Http1Wire
from windtunnel.mock_server.transports.links.linked import ARRIVES_AT
from windtunnel.mock_server.transports.reception import receive
from windtunnel.mock_server.transports.wire import Host, InFlight, ReceivedRequest


class Connection(asyncio.Protocol):
    """One client's connection to one region (`""`: to the admin API alone); the Requester of the request in flight."""

    __slots__ = (
        "_intake",
        "_keep_alive",
        "_loop",
        "_refusal",
        "_requests",
        "_server",
        "_too_many",
        "connection_id",
        "current",
        "region",
        "wire",
    )

    def __init__(self, server: Host, region: str) -> None:
        self._server = server
        self._loop = server.loop
        self._intake = Intake(server.loop, server.incoming, self._refuse)
        self.wire = Http1Wire(server.loop, server.write_batch)
        self.region = region
        self.connection_id = 0
        self.current: InFlight | None = None
        self._requests = 0
        self._refusal: tuple[int, str] | None = None
        self._keep_alive = server.connections.doors.keep_alive(self)
        self._too_many = False

    @property
    def connection(self) -> Connection:
        """See `Requester.connection`: it carries one request at a time."""
        return self

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection's transport; None before it is made and after it is lost."""
        return self.wire.transport

    @property
    def http_version(self) -> str:
        """The version that the request in flight came in."""
        return self.wire.http_version

    @property
    def closing(self) -> bool:
        """Whether nothing more is answered on it."""
        return self.wire.closing

    # ---- asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: a client connected."""
        self.wire.transport = self._intake.transport = cast(asyncio.Transport, transport)
        server = self._server
        self.connection_id = server.connections.add(self)
        if self.region and len(server.connections) > server.incoming.most_connections:
            most = server.incoming.most_connections
            self._server.not_received(503)
            self.wire.refuse(
                503, f"{most} connections are open already, as many as this server takes.", linger=False
            )
        elif self._keep_alive is not None:
            self._too_many = server.connections.doors.too_many(self.region)
            self._keep_alive.idle()

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio's callback: the connection is over, closed by either side."""
        self.wire.transport = self._intake.transport = None
        self._server.connections.remove(self)
        if self._keep_alive is not None:
            self._keep_alive.busy()
        self.wire.closing = True
        self._intake.forget()
        self._intake.stop()
        self._gone()

    def eof_received(self) -> bool | None:
        """asyncio's callback: the client sent FIN, and with it left the request in flight."""
        if self.current is not None:
            self._gone()
            self.wire.closing = True
            if self.wire.transport is not None:
                self.wire.transport.abort()
        return None

    def handed_over(self) -> bool:
        """Note that another protocol goes on here; False if the connection is forgotten, and nothing goes on."""
        return self._keep_alive is None or not self._keep_alive.received()

    def pause_writing(self) -> None:
        """asyncio's callback: the client reads too slowly."""
        self.wire.paused = True

    def resume_writing(self) -> None:
        """asyncio's callback: the client has read on."""
        self.wire.paused = False
        if self.current is not None:
            self.current.wake()

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: bytes of requests."""
        intake = self._intake
        if self.wire.closing or (self._keep_alive is not None and self._keep_alive.received()):
            return
        whole = intake.feed(data, idle=self.current is None)
        if whole is not None:
            self._begin(*whole)
            return
        if self.current is None:
            self._next()
        if intake.full:
            self.later(self._read_on)
        elif self.current is None:
            self._idle()

    # ---- the way in

    def _next(self) -> None:
        """Begin with the first waiting request, if there is one."""
        if self.wire.closing or self.current is not None:
            return
        intake = self._intake
        if not intake.waiting:
            if self._refusal is not None:
                self._refuse(*self._refusal)
            elif intake.invited():
                self.wire.raw(CONTINUE)
                self.wire.flush()
            return
        whole = intake.next()
        if intake.goes_on():
            self.later(self._read_on)
        self._begin(*whole)

    def _read_on(self) -> None:
        """Continue with the bytes that the parser still holds, and then with reading."""
        if not self.wire.closing:
            self.data_received(b"")
            self._intake.resume()

    def _begin(self, request: Incoming, body: bytes) -> None:
        number = self._requests
        self._requests = number + 1
        going_on = self._intake.reading or self._refusal is not None
        keep = self._keep_alive
        if keep is not None:
            self.wire.announced = keep.announced()
            going_on = going_on and not keep.last(number)
        self.wire.begin(version10=request.version10, keep_alive=going_on and not request.close)
        if self._too_many:
            self.reject(503, TOO_MANY)
            return
        received = ReceivedRequest(request.method, request.path, request.headers, body, number, number == 0)
        receive(self._server, self, received)

    # ---- the ways on and out

    def over(self) -> None:
        """See `Requester.over`: close, or begin with the next request."""
        self.current = None
        if self.wire.closing:
            return
        if not self.wire.keep_alive:
            self.wire.close()
        elif self._intake.waiting or self._refusal is not None or self._intake.arriving:
            # Not a direct call: a long pipeline would recurse.
            self.later(self._next)
        else:
            self._idle()

    def _idle(self) -> None:
        """Note that nothing is asked or answered; a request of which only a part is there has a time of its own."""
        if self._keep_alive is not None and not self.wire.closing and not self._intake.arriving:
            self._keep_alive.idle()

    def later(self, call: Callable[[], None]) -> None:
        """See `Requester.later`."""
        self._loop.call_soon(call)

    def refuse(self, status: int, message: str) -> None:
        """See `Requester.refuse`."""
        self.wire.refuse(status, message)

    def arrives_at(self) -> float | None:
        """See `OpenConnection.arrives_at`. On a link nothing is won by writing at the end of the loop's round."""
        transport = self.wire.transport
        if transport is None or transport.get_extra_info(ARRIVES_AT) is None:
            return None
        self.wire.write_out()
        arrives: float = transport.get_extra_info(ARRIVES_AT)
        return arrives

    def reject(self, status: int, message: str) -> None:
        """Refuse the request whose turn it is, and with it those that wait behind it."""
        self._intake.forget_waiting()
        self._refuse(status, message)

    def close(self) -> None:
        """Close the connection with a FIN, after everything that was flushed."""
        self.wire.close()

    def abort(self) -> None:
        """Reset the connection with an RST, after everything that was flushed."""
        self.wire.abort()

    def reset(self) -> None:
        """Reset the connection at once, whatever has not left yet."""
        self.wire.reset()

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that cannot be received, and close. It has no identity, so it has no journal row.

        What was whole before it is answered first; nothing more is read meanwhile.
        """
        if self.wire.closing or self.wire.transport is None:
            return
        self._intake.stop()
        if self.current is not None or self._intake.waiting:
            self._refusal = (status, message)
            self.wire.transport.resume_reading()
            return
        self._intake.forget()
        self._server.not_received(status)
        self.wire.refuse(status, message)

    def _gone(self) -> None:
        current, self.current = self.current, None
        if current is not None:
            current.client_left()
