"""Sockets that code opens itself and has the loop connect, as aiohttp does; on the virtual network both are one step.

    sock = socket.socket(); await loop.sock_connect(sock, address)     a connection of the network, kept for `sock`
    await loop.create_connection(factory, sock=sock)                   its transport gets the protocol

In between nothing can be lost: a connection that nobody reads keeps what arrives.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from weakref import WeakKeyDictionary, finalize

from windtunnel.harness.virtual.network.endpoint import VirtualSocket
from windtunnel.harness.virtual.network.network import Factory, Network
from windtunnel.harness.virtual.network.sockets import Address

UNKNOWN = "sockets that the loop has not connected do not run on the virtual clock"


class Dialled:
    """The connections of sockets that have no protocol yet; one whose socket is dropped is closed.

    The sockets themselves are never used.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._waiting: WeakKeyDictionary[socket.socket, tuple[VirtualSocket, finalize[Any, Any]]]
        self._waiting = WeakKeyDictionary()

    async def connect(self, sock: socket.socket, address: Any) -> None:
        """Connect to an address on behalf of `sock`. Raises what a connect raises."""
        host, port = address[:2]
        endpoint, _ = await self._network.connect(asyncio.Protocol, host, port)
        endpoint.pause_reading()
        self._waiting[sock] = endpoint, finalize(sock, endpoint.close)

    def address_of(self, sock: socket.socket) -> Address:
        """The address that `sock` is connected to. Raises NotImplementedError if the loop has not connected it."""
        endpoint, _ = self._waiting.get(sock, (None, None))
        if endpoint is None:
            raise NotImplementedError(UNKNOWN)
        there: Address = endpoint.get_extra_info("peername")
        return there

    def take(self, factory: Factory, sock: socket.socket) -> tuple[VirtualSocket, asyncio.BaseProtocol]:
        """The connection of `sock`, with a protocol. Raises NotImplementedError if the loop has not connected it."""
        endpoint, dropped = self._waiting.pop(sock, (None, None))
        if endpoint is None or dropped is None:
            raise NotImplementedError(UNKNOWN)
        dropped.detach()
        sock.close()
        protocol = factory()
        endpoint.set_protocol(protocol)
        protocol.connection_made(endpoint)
        endpoint.resume_reading()
        return endpoint, protocol
