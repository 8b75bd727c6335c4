"""A proxy, load balancer or NAT that ends a connection on which nothing passes.

    client ──► Relay ──► region      something passes: the time begins anew
    client ──► Relay     region      nothing did: closed (a FIN to both), or forgotten

The region never hears of a connection that was forgotten: at its end it looks open, and what it writes is lost. So it
is at the client's end; there what comes next is answered with an RST, or not at all.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from windtunnel.mock_server.plan.connections import IdleEnd
from windtunnel.mock_server.transports.endings import reset
from windtunnel.mock_server.transports.layer import Layer


class Relay(Layer):
    """Hands everything on, until nothing has passed for `idle` seconds."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, idle: float, expiry: IdleEnd, protocol: asyncio.BaseProtocol
    ) -> None:
        super().__init__(protocol)
        self._loop = loop
        self._idle = idle
        self._expiry = expiry
        self._passed_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._forgotten = False
        self._above_lost = False

    # ---- the protocol of what is below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: a client connected."""
        self._passed_at = self._loop.time()
        self._timer = self._loop.call_at(self._passed_at + self._idle, self._look)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """asyncio's callback: the connection is over."""
        self.below = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._lose(cast("Exception | None", exc))

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: bytes of the client."""
        if not self._forgotten:
            self._passed_at = self._loop.time()
            super().data_received(data)
        elif self._expiry == "reset" and self.below is not None:
            reset(self.below)

    def eof_received(self) -> bool | None:
        """asyncio's callback: the client has sent a FIN. Of a forgotten connection nobody is told."""
        return None if self._forgotten else super().eof_received()

    # ---- the transport of what is above

    def write(self, data: Any) -> None:
        """See `asyncio.WriteTransport`."""
        if not self._forgotten:
            self._passed_at = self._loop.time()
            super().write(data)

    def write_eof(self) -> None:
        """See `asyncio.WriteTransport`."""
        if not self._forgotten:
            super().write_eof()

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._above_lost or super().is_closing()

    def close(self) -> None:
        """See `asyncio.BaseTransport`. Of a forgotten connection it closes the region's end alone."""
        if self._forgotten:
            self._loop.call_soon(self._lose, None)
        else:
            super().close()

    def abort(self) -> None:
        """See `asyncio.WriteTransport`."""
        if self._forgotten:
            self._loop.call_soon(self._lose, None)
        else:
            super().abort()

    def _lose(self, error: Exception | None) -> None:
        if not self._above_lost:
            self._above_lost = True
            self.above.connection_lost(error)

    def _look(self) -> None:
        """End the connection if its time is over, or look again when it may be."""
        expires_at = self._passed_at + self._idle
        if self._loop.time() < expires_at:
            self._timer = self._loop.call_at(expires_at, self._look)
            return
        self._timer = None
        if self._expiry == "close":
            super().close()
        else:
            self._forgotten = True
