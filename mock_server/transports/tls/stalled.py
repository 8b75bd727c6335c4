"""A server that says nothing on a new connection, for a time or for ever."""

from __future__ import annotations

import asyncio
from typing import cast

MOST_KEPT = 65_536
"""Bytes: no hello of TLS is as long, and a client that sends more is no longer read."""


class Stalled(asyncio.Protocol):
    """Keeps what comes from `layer` for `seconds` from connecting on, then makes way for it; None: for ever."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, layer: asyncio.Protocol, seconds: float | None
    ) -> None:
        self._loop = loop
        self._layer = layer
        self._seconds = seconds
        self._transport: asyncio.Transport | None = None
        self._kept = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: a client connected."""
        self._transport = cast(asyncio.Transport, transport)
        if self._seconds is not None:
            self._timer = self._loop.call_later(self._seconds, self._go_on)

    def data_received(self, data: bytes) -> None:
        """asyncio's callback: the client speaks to nobody. It is not read any further than a hello is long."""
        self._kept += data
        if len(self._kept) > MOST_KEPT and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's callback: the client had enough of it."""
        if self._timer is not None:
            self._timer.cancel()
        self._layer.connection_lost(exc)

    def _go_on(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._timer = None
        self._transport.set_protocol(self._layer)
        self._transport.resume_reading()
        self._layer.connection_made(self._transport)
        if self._kept:
            self._layer.data_received(bytes(self._kept))
