"""Which protocol a new connection speaks, and through which link: the one place that knows all of them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, cast

from windtunnel.mock_server.provider.compiled_settings import LinkSettings, Spread
from windtunnel.mock_server.transports.http1.connection import Connection
from windtunnel.mock_server.transports.http1.first_bytes import FirstBytes
from windtunnel.mock_server.transports.http2.connection import Http2Connection
from windtunnel.mock_server.transports.links.linked import LinkedSocket
from windtunnel.mock_server.transports.links.path import Path
from windtunnel.mock_server.transports.middle.hop import Hop, HopPath
from windtunnel.mock_server.transports.middle.relay import Relay
from windtunnel.mock_server.transports.tls.handshake import Handshake

if TYPE_CHECKING:
    from windtunnel.mock_server.server.server import Server

NO_DISTANCE = LinkSettings(rtt=Spread(0.0, 0.0), jitter=0.0, bandwidth=None, loss=0.0)
"""The link of a region in a phase in which it has none."""


def accept(server: Server, region: str) -> asyncio.Protocol:
    """Make the protocol of a connection that a client has just opened to a region.

    The region `""` is the admin API's own port, which has no TLS.
    """
    protocol = choose_http(server, region)
    connections = server.connections
    if not region:
        return protocol
    if server.engine.settings(region, server.now()).tls is not None:
        protocol = Handshake(server, region, offered(server, region), partial(speak, server, region))
    return connections.darkness.line(
        region, in_the_middle(server, region, connections.doors.before(region, protocol))
    )


def in_the_middle(server: Server, region: str, protocol: asyncio.BaseProtocol) -> asyncio.BaseProtocol:
    """Return a protocol behind what stands between clients and its region at the moment."""
    engine = server.engine
    for one in reversed(engine.settings(region, server.now()).middle):
        if one.hop is not None:
            path = HopPath(one.hop, engine.seed, server.connections.next_link())
            protocol = Hop(server.loop, path, cast(asyncio.Protocol, protocol))
        if one.idle is not None:
            protocol = Relay(server.loop, one.idle, one.expiry, protocol)
    return protocol


def offered(server: Server, region: str) -> tuple[str, ...]:
    """Return what a handshake of TLS offers by ALPN (RFC 7301), the preferred one first."""
    return ("h2", "http/1.1") if server.engine.settings(region, server.now()).http2 else ("http/1.1",)


def speak(server: Server, region: str, agreed: str | None) -> asyncio.Protocol:
    """Make the protocol of HTTP that a handshake of TLS has `agreed` on.

    Without ALPN that is HTTP/1.1: HTTP/2 under TLS must be agreed on by it (RFC 9113, section 3.2).
    """
    return choose_http(server, region, agreed or "http/1.1")


def choose_http(server: Server, region: str, negotiated: str | None = None) -> asyncio.Protocol:
    """Make the protocol that speaks the HTTP of a new connection: HTTP/1.1 or HTTP/2.

    `negotiated` is the name that TLS has agreed on by ALPN, `h2` or `http/1.1`. Without one, the client's first bytes
    say what it speaks (RFC 9113, section 3.3); on the admin API's own port that is HTTP/1.1.
    """
    if negotiated == "h2":
        return Http2Connection(server, region)
    if negotiated is not None or not region or not server.engine.settings(region, server.now()).http2:
        return Connection(server, region)

    def http2(before: Connection, transport: asyncio.Transport) -> asyncio.Protocol:
        connection = Http2Connection(server, region)
        connection.taken_over(transport, server.connections.replace(before, connection))
        return connection

    return FirstBytes(server, Connection(server, region), http2)


def accept_linked(server: Server, region: str) -> asyncio.Protocol:
    """Make what a socket of a region's listener is given: the protocol, at the far end of the region's link."""
    protocol = accept(server, region)
    path = new_path(server, region)
    return protocol if path is None else LinkedSocket(server.loop, path, protocol)


def new_path(server: Server, region: str) -> Path | None:
    """Return the way of a new connection to a region; None where there is no link, as at the admin API's."""
    engine = server.engine
    if not region or not engine.ever(region, lambda settings: settings.link):
        return None

    def settings() -> LinkSettings:
        return engine.settings(region, server.now()).link or NO_DISTANCE

    return Path(settings, engine.seed, server.connections.next_link())
