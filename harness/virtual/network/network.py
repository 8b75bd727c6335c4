"""A network in memory: who listens where, how far away that is, and what becomes of those who connect."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from windtunnel.harness.clients.hosts import Hosts
from windtunnel.harness.virtual.network.endpoint import VirtualSocket
from windtunnel.harness.virtual.network.sockets import Address, NamedSocket
from windtunnel.mock_server.transports.links.path import Path

if TYPE_CHECKING:
    from windtunnel.harness.virtual.loop import VirtualLoop

Mode: TypeAlias = Literal["open", "refused", "blackholed"]
Factory: TypeAlias = Callable[[], asyncio.BaseProtocol]
NewPath: TypeAlias = Callable[[], Path | None]
Trace: TypeAlias = Callable[[float, Address, Address, str, bytes], None]
"""Told of everything that leaves: (when it arrives, from, to, "data" | "fin" | "rst" | "syn", bytes)."""

CLIENT_HOST = "127.0.0.1"
FIRST_PORT = 40_000


SYN_WAITS = (1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Seconds after which an unanswered SYN is sent again, at the end after which connecting fails with ETIMEDOUT: Linux
since 6.5, with `tcp_syn_retries` 6 and `tcp_syn_linear_timeouts` 4."""


@dataclass(frozen=True, slots=True)
class Link:
    """The way to a listener: one-way `delay` and `jitter` in seconds (the jitter is uniform and never reorders), and
    `bandwidth` in bytes per second each way (None: no limit). The defaults are those of a loopback device."""

    delay: float = 0.000_05
    jitter: float = 0.0
    bandwidth: float | None = None


class VirtualListener:
    """A listening address, as asyncio's server."""

    def __init__(
        self, network: Network, factory: Factory, address: Address, link: Link, path: NewPath | None
    ) -> None:
        self._network = network
        self.factory = factory
        self.address = address
        self.link = link
        self.path = path
        self.mode: Mode = "open"
        self.secured = False
        """Whether TLS is spoken there: what is sent is noted without its bytes, which are never the same."""
        self.sockets = (NamedSocket(address, address, lambda: False),)

    def close(self) -> None:
        self._network.listeners.pop(self.address, None)

    @property
    def url(self) -> str:
        """Its URL, without a path."""
        return f"{'https' if self.secured else 'http'}://{self.address[0]}:{self.address[1]}"

    def is_serving(self) -> bool:
        return self.address in self._network.listeners

    async def wait_closed(self) -> None:
        """Closing takes no time."""


class _Knock(NamedTuple):
    """Somebody who connects, and waits for the listener (None: nobody listens)."""

    here: Address
    there: Address
    answered: asyncio.Future[VirtualListener | None]
    delay: float


class Network:
    """Addresses, and everything that is sent between them. `wire` is a digest of all of it."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.listeners: dict[Address, VirtualListener] = {}
        self.wire = blake2b(digest_size=16)
        self.messages = 0
        """How many there were."""
        self.trace: Trace | None = None
        self.jitter: Callable[[], float] = lambda: 0.0
        """A draw in [0, 1) for each segment on a link with jitter."""
        self._ports = FIRST_PORT
        self.hosts: Hosts | None = None
        """Names that lead to listeners; None: only addresses do."""

    def listen(
        self,
        factory: Factory,
        host: str,
        port: int,
        link: Link | None = None,
        path: NewPath | None = None,
    ) -> VirtualListener:
        """Accept connections at an address; port 0 is any free one. Raises OSError if it is taken.

        `path` makes the way of each new connection, or None for one that takes the `link`.
        """
        if not port:
            port = self._next_port()
        address = (host, port)
        if address in self.listeners:
            raise OSError(errno.EADDRINUSE, f"{host}:{port} is in use")
        listener = self.listeners[address] = VirtualListener(self, factory, address, link or Link(), path)
        return listener

    async def connect(
        self, factory: Factory, host: str, port: int
    ) -> tuple[VirtualSocket, asyncio.BaseProtocol]:
        """Connect to an address: a round trip. Raises ConnectionRefusedError, and TimeoutError after two
        minutes in front of a black hole."""
        loop = self.loop
        there: Address = (host, port) if self.hosts is None else self.hosts.dialled((host, port))
        here = (CLIENT_HOST, self._next_port())
        known = self.listeners.get(there)
        path = None if known is None or known.path is None else known.path()
        delay = known.link.delay if known is not None else Link().delay
        if path is not None:
            delay = (path.opened(loop.time()) - loop.time()) / 2
        answered: asyncio.Future[VirtualListener | None] = loop.create_future()
        self._knock(_Knock(here, there, answered, delay))
        listener = await answered
        if listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        client = VirtualSocket(self, listener.link, here, there, path, "up")
        server = VirtualSocket(self, listener.link, there, here, path, "down")
        client.peer, server.peer = server, client
        client.opaque = server.opaque = listener.secured
        server.begin(listener.factory())
        protocol = factory()
        client.begin(protocol)
        return client, protocol

    def is_secured(self, address: Address) -> bool:
        """Whether TLS is spoken where an address leads to."""
        there: Address = address if self.hosts is None else self.hosts.dialled(address)
        return there in self.listeners and self.listeners[there].secured

    def _knock(self, knock: _Knock, tries: int = 0) -> None:
        """Send a SYN, unless nobody waits for an answer any more."""
        if knock.answered.done():
            return
        if tries == len(SYN_WAITS):
            knock.answered.set_exception(TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
            return
        self.sent(self.loop.time() + knock.delay, knock.here, knock.there, "syn", b"")
        self.loop.call_later(knock.delay, self._syn_arrives, knock, tries)

    def _syn_arrives(self, knock: _Knock, tries: int) -> None:
        listener = self.listeners.get(knock.there)
        if listener is not None and listener.mode == "blackholed":
            self.loop.call_later(SYN_WAITS[tries] - knock.delay, self._knock, knock, tries + 1)
            return
        accepted = listener if listener is not None and listener.mode == "open" else None
        self.loop.call_later(knock.delay, _settle, knock.answered, accepted)

    def sent(self, at: float, here: Address, there: Address, kind: str, data: bytes) -> None:
        """Note what leaves and when it will arrive."""
        self.messages += 1
        self.wire.update(b"%d %d %.6f %s %d " % (here[1], there[1], at, kind.encode(), len(data)))
        self.wire.update(data)
        if self.trace is not None:
            self.trace(at, here, there, kind, data)

    def _next_port(self) -> int:
        self._ports += 1
        return self._ports


def _settle(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)
