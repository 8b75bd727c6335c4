"""Which HTTP a client speaks without TLS, by its first bytes: HTTP/2 begins with a preface (RFC 9113, section 3.4).

    PRI * HTTP/2.0 … ──► HTTP/2, by prior knowledge
    anything else   ───► HTTP/1.1, which answers what is no HTTP with a 400

Until then the connection is one of HTTP/1.1: it has a number, counts among the open ones, and a client that connects
and says nothing is kept as it always was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from windtunnel.mock_server.transports.http1.connection import Connection
from windtunnel.mock_server.transports.wire import Host

PREFACE: Final = b"PRI"
"""How HTTP/2 begins. No method of HTTP/1.1 does: the name is reserved (RFC 9113, section 11.6)."""


class FirstBytes(asyncio.Protocol):
    """The protocol of a new connection, until it is known which other one it has.

    `http2` makes the protocol that takes over from `http1`, on the transport that it is given.
    """

    __slots__ = ("_held", "_http1", "_http2", "_server")

    def __init__(
        self,
        server: Host,
        http1: Connection,
        http2: Callable[[Connection, asyncio.Transport], asyncio.Protocol],
    ) -> None:
        self._server = server
        self._http1 = http1
        self._http2 = http2
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: a client connected."""
        self._http1.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio's callback: the client left without a word."""
        self._server.incoming.ended(self)
        self._http1.connection_lost(exc)

    def eof_received(self) -> bool | None:
        """asyncio's callback: the client sent FIN without a word."""
        return self._http1.eof_received()

    def pause_writing(self) -> None:
        """asyncio's callback: a client that was refused does not read why."""
        self._http1.pause_writing()

    def resume_writing(self) -> None:
        """asyncio's callback: it has read on."""
        self._http1.resume_writing()

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: the first bytes. Two of them may be too few, as `PR` would be."""
        if self._held:
            data = self._held + data
        begin = data[: len(PREFACE)]
        if begin == PREFACE and not self._http1.closing:
            self._speak_http2(data)
        elif PREFACE.startswith(begin) and not self._http1.closing:
            self._held = data
            self._server.incoming.started(self)
        else:
            self._speak_http1(data)

    def too_slow(self) -> None:
        """Refuse a client whose first bytes are not followed by others."""
        self._speak_http1(self._held)
        self._http1.refuse(
            408, f"Your request did not arrive within {self._server.incoming.request_s:g} seconds."
        )

    def _speak_http1(self, data: bytes) -> None:
        self._server.incoming.ended(self)
        if self._http1.transport is not None:
            self._http1.transport.set_protocol(self._http1)
        self._http1.data_received(data)

    def _speak_http2(self, data: bytes) -> None:
        self._server.incoming.ended(self)
        transport = self._http1.transport
        if transport is None or not self._http1.handed_over():
            return
        http2 = self._http2(self._http1, transport)
        transport.set_protocol(http2)
        http2.data_received(data)
