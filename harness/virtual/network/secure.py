"""TLS on the virtual network, from a client's end: the same layer as the server's, over a connection in memory.

    aiohttp ─► loop.create_connection(ssl=…) ─► secured()  ─┐
    httpx and requests, blocking ─► SSLContext.wrap_socket ─┴► TlsLayer ─► VirtualSocket
    httpx, async ─► anyio's own MemoryBIO ─────────────────────────────────► VirtualSocket

Keys and signatures are drawn by OpenSSL, so what is sent differs from play to play, and when it is sent does not.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
import sys
from collections.abc import Callable, Mapping
from typing import Any

from windtunnel.mock_server.transports.tls.layer import TlsLayer


class Securing:
    """A client's handshake under way. `made` has the protocol once it is over; or why it failed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: ssl.SSLContext,
        server_hostname: str,
        factory: Callable[[], asyncio.BaseProtocol],
    ) -> None:
        self.layer = TlsLayer(context, self, server_hostname=server_hostname)
        self.made: asyncio.Future[asyncio.BaseProtocol] = loop.create_future()
        self._factory = factory

    def secured(self, layer: TlsLayer, agreed: str | None) -> None:
        """See `HandshakeWatch.secured`."""
        protocol: Any = self._factory()
        layer.speak(protocol)
        if not self.made.done():
            self.made.set_result(protocol)

    def failed(self, error: Exception | None) -> None:
        """See `HandshakeWatch.failed`."""
        if not self.made.done():
            gone = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
            self.made.set_exception(error or gone)

    async def wait(self) -> tuple[TlsLayer, asyncio.BaseProtocol]:
        """Wait for the handshake; raises what it failed by. A client that waits no longer leaves."""
        try:
            return self.layer, await self.made
        except BaseException:
            self.layer.abort()
            raise


def trust(variables: Mapping[str, str]) -> None:
    """Let this process's clients trust an authority: by the variables that they read, once they are made.

    aiohttp has made its own context when it was imported, which may be long ago.
    """
    os.environ.update(variables)
    connector: Any = sys.modules.get("aiohttp.connector")
    context = getattr(connector, "_SSL_CONTEXT_VERIFIED", None)
    if context is not None:
        context.load_verify_locations(variables["SSL_CERT_FILE"])
