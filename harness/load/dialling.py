"""Connections of a load process to hosts that its scenario names: looked up and dialled as `Hosts` says.

Blocking code looks up with `socket.getaddrinfo` and dials with `socket.create_connection` or `connect`; code on the
loop uses the loop's own.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, NoReturn

import uvloop

from windtunnel.harness.clients.hosts import Hosts, RefusedHostError, announce

FAILED = 1


def end_process(error: RefusedHostError) -> NoReturn:
    """End this load process, whose client dials somebody else's server. Who started it reads why."""
    announce(error)
    os._exit(FAILED)


def take_over(hosts: Hosts) -> None:
    """From now on blocking code of this process looks up and dials by `hosts`. There is no way back."""
    look_up: Callable[..., Any] = socket.getaddrinfo
    create: Callable[..., Any] = socket.create_connection
    module: Any = socket
    owner: Any = socket.socket
    connect, connect_ex = owner.connect, owner.connect_ex

    def getaddrinfo(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        return look_up(hosts.looked_up(host), port, *more, **named)

    def create_connection(address: Any, *more: Any, **named: Any) -> Any:
        return create(hosts.dialled(address), *more, **named)

    def there(sock: Any, address: Any) -> Any:
        return hosts.dialled(address) if sock.family in (socket.AF_INET, socket.AF_INET6) else address

    def dial(self: Any, address: Any) -> Any:
        return connect(self, there(self, address))

    def dial_ex(self: Any, address: Any) -> Any:
        return connect_ex(self, there(self, address))

    module.getaddrinfo, module.create_connection = getaddrinfo, create_connection
    owner.connect, owner.connect_ex = dial, dial_ex


class DiallingLoop(uvloop.Loop):
    """uvloop that looks up and dials by `hosts`."""

    hosts: Hosts

    async def getaddrinfo(self, host: Any, port: Any, **named: Any) -> Any:
        """See `asyncio.AbstractEventLoop`."""
        return await super().getaddrinfo(self.hosts.looked_up(host), port, **named)

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **named: Any
    ) -> Any:
        """See `asyncio.AbstractEventLoop`. TLS still expects the certificate of the host that was asked for."""
        if host is not None:
            if named.get("ssl") and named.get("server_hostname") is None:
                named["server_hostname"] = host
            host, port = self.hosts.dialled((host, port))
        return await super().create_connection(protocol_factory, host, port, **named)

    async def sock_connect(self, sock: Any, address: Any) -> Any:
        """See `asyncio.AbstractEventLoop`."""
        return await super().sock_connect(sock, self.hosts.dialled(address))
