"""Which protocol a new connection speaks: the one place that knows all transports over sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from windtunnel.mock_server.transports.http1.connection import Connection

if TYPE_CHECKING:
    from windtunnel.mock_server.server.server import Server


def accept(server: Server, region: str) -> asyncio.Protocol:
    """Make the protocol of a connection that a client has just opened to a region.

    The region `""` is the admin API's own port.
    """
    return Connection(server, region)
