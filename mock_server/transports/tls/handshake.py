"""A connection to a region with TLS, from connecting until HTTP is spoken on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, Protocol, cast

from windtunnel.mock_server.engine import Engine
from windtunnel.mock_server.faults.handshake import HandshakeStallParams
from windtunnel.mock_server.transports.endings import reset
from windtunnel.mock_server.transports.tls.certificates import Certificates, Presented, Show
from windtunnel.mock_server.transports.tls.layer import TlsLayer
from windtunnel.mock_server.transports.tls.stalled import Stalled
from windtunnel.mock_server.transports.wire import OpenConnection

HANDSHAKE_S = 60.0
"""Seconds that a client has for its handshake: as long as nginx and asyncio give it."""


PRESENTED: Mapping[str, Presented] = {
    "tls_expired": "expired",
    "tls_wrong_host": "wrong_host",
    "tls_untrusted": "untrusted",
    "tls_incomplete_chain": "incomplete_chain",
    "tls_old_protocol": "old_protocol",
}
"""What the faults of a handshake show."""


class SecuredConnections(Protocol):
    """The open connections of the server, as a handshake uses them."""

    @property
    def certificates(self) -> Certificates:
        """What the server shows of itself."""

    def add(self, connection: OpenConnection) -> int:
        """Register a connection; returns its number."""

    def hand_over(self, connection: OpenConnection) -> float:
        """Remove a connection without a row; returns since when it is open."""

    def opened_at(self, connection: OpenConnection, opened: float) -> None:
        """Note since when a connection is open that has taken the place of another one."""

    def remove(self, connection: OpenConnection) -> None:
        """Remove a connection, and write its row."""

    def fault_acted(self, name: str) -> None:
        """Count a fault that has acted before there was a request."""

    def handshake_over(self, how: Literal["full", "resumed", "failed"]) -> None:
        """Count a handshake."""


class SecuredServer(Protocol):
    """What a handshake needs of the server."""

    loop: asyncio.AbstractEventLoop
    engine: Engine

    @property
    def connections(self) -> SecuredConnections:
        """The open connections."""

    def now(self) -> float:
        """Return the seconds since t0."""


class Handshake(asyncio.Protocol):
    """A connection that is being secured; the server has it among its connections until HTTP takes its place.

    `offered` is what it offers by ALPN; `speak` makes HTTP of what the client has chosen of it.
    """

    def __init__(
        self,
        server: SecuredServer,
        region: str,
        offered: tuple[str, ...],
        speak: Callable[[str | None], asyncio.Protocol],
    ) -> None:
        self._server = server
        self.region = region
        self._offered = offered
        self._speak = speak
        self.connection_id = 0
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None

    # ---- asyncio's callback, and those of `HandshakeWatch`

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's callback: a client connected. From now on the layer hears what comes."""
        server = self._server
        self._transport = cast(asyncio.Transport, transport)
        self.connection_id = server.connections.add(self)
        self._patience = server.loop.call_later(HANDSHAKE_S, self.reset)
        now = server.now()
        use = server.engine.handshake_fault(self.region, now, self.connection_id)
        settings = server.engine.settings(self.region, now).tls
        show = Show(
            PRESENTED.get(use.kind.name, "healthy") if use is not None else "healthy", alpn=self._offered
        )
        if settings is not None:
            show = replace(show, certificate=settings.certificate, resumption=settings.resumption)
        layer: asyncio.Protocol = TlsLayer(server.connections.certificates.context(show), self)
        if use is not None:
            server.connections.fault_acted(use.kind.name)
            if isinstance(use.params, HandshakeStallParams):
                self._patience.cancel()
                layer = Stalled(server.loop, layer, use.params.seconds)
        self._transport.set_protocol(layer)
        layer.connection_made(self._transport)

    def secured(self, layer: TlsLayer, agreed: str | None) -> None:
        """See `HandshakeWatch.secured`: HTTP takes this connection's place, open since it was connected."""
        self._over("resumed" if layer.resumed else "full")
        connections = self._server.connections
        opened = connections.hand_over(self)
        protocol = self._speak(agreed)
        layer.speak(protocol)
        connections.opened_at(cast(OpenConnection, protocol), opened)

    def failed(self, error: Exception | None) -> None:
        """See `HandshakeWatch.failed`: the connection ends without a request."""
        self._over("failed")
        self._server.connections.remove(self)

    def _over(self, how: Literal["full", "resumed", "failed"]) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._server.connections.handshake_over(how)

    # ---- as one of the server's connections

    def arrives_at(self) -> float | None:
        """See `OpenConnection.arrives_at`: nothing of an answer is under way."""
        return None

    def close(self) -> None:
        """See `OpenConnection.close`."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """See `OpenConnection.abort`."""
        self.reset()

    def reset(self) -> None:
        """See `OpenConnection.reset`."""
        if self._transport is not None:
            reset(self._transport)
