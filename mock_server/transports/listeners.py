"""The regions' listeners, opened and closed as the plan says: open, refusing, or a black hole.

    open ──────► the loop's server accepts on a duplicate of our listening socket
    refuse ────► no socket listens: the kernel answers a SYN with an RST
    blackhole ─► ours listens, nobody accepts, and a connection of our own fills the queue of length 0:
                 the kernel drops every SYN, and the client's connect times out

A client that the kernel had connected before its region became a black hole is served like any other.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from windtunnel.mock_server.faults.listener import ClosedParams
from windtunnel.mock_server.rules import FaultUse
from windtunnel.mock_server.server.options import ServeError
from windtunnel.mock_server.server.server import Server
from windtunnel.mock_server.transports.accept import accept_linked
from windtunnel.mock_server.transports.ports import BACKLOG, Port

ADMIN = ""
"""The region of a connection that has none: it leads to the admin API alone."""

_MAX_FILLERS = 16
"""Tries to fill a queue. Linux takes one connection more than the backlog says, so one filler is enough there."""

_ACCEPTS = 32
"""Connections that asyncio accepts in one round, for it takes its backlog for that. Out of descriptors it tries, and
complains, as often; and in one round the server does not yet know how many it has."""

_CONNECT_S = 0.05
"""Seconds: a connect to loopback that will succeed has done so long before."""


class Listener:
    """The listening socket of one port. `reset_all` ends the connections of that port with an RST."""

    def __init__(
        self, port: Port, factory: Callable[[], asyncio.Protocol], reset_all: Callable[[], None]
    ) -> None:
        self._port = port
        self._factory = factory
        self._reset_all = reset_all
        self._loop = asyncio.get_running_loop()
        self._accepting: asyncio.Server | None = None
        self._sock: socket.socket | None = None
        self._fillers: list[socket.socket] = []
        self._wanted_state: FaultUse | None = None
        self._present_state: FaultUse | bool | None = False
        self._change: asyncio.Task[None] | None = None

    def set_state(self, use: FaultUse | None) -> None:
        """Open the port (None), or close it in the way of a fault.

        Clients see it at once, except a black hole: that takes a connection of our own, about a millisecond.
        """
        self._wanted_state = use
        if self._change is None and use != self._present_state:
            with suppress(OSError):  # the task meets it again, and reports it
                self._prepare(use)
            self._change = self._loop.create_task(self._update())

    async def settled(self) -> bool:
        """Wait until no change is under way; return whether the port is as it was last wanted."""
        if self._change is not None:
            await self._change
        return self._present_state == self._wanted_state

    async def close(self) -> None:
        """Stop listening for good."""
        await self.settled()
        self._stop_accepting()
        self._stop_listening()

    async def _update(self) -> None:
        try:
            while self._present_state != self._wanted_state:
                use = self._wanted_state
                await self._become(use)
                self._present_state = use
        except OSError as error:  # no descriptors left, say: the next change tries again
            context = {"message": f"port {self._port.number} cannot be changed", "exception": error}
            self._loop.call_exception_handler(context)
        finally:
            self._change = None

    def _prepare(self, use: FaultUse | None) -> None:
        """Do the part of a change that needs no waiting."""
        if use is not None:
            self._stop_accepting()
        if use is not None and use.kind.name == "refuse":
            self._stop_listening()
            return
        backlog = BACKLOG if use is None else 0
        if self._sock is None:
            self._sock = self._port.listen(backlog)
        else:
            self._sock.listen(backlog)

    async def _become(self, use: FaultUse | None) -> None:
        self._prepare(use)
        if self._sock is not None and use is None:
            await self._serve(self._sock)
        elif self._sock is not None:
            await self._fill(self._sock)
        if use is not None and isinstance(use.params, ClosedParams) and use.params.established == "reset":
            self._reset_all()

    async def _serve(self, sock: socket.socket) -> None:
        await self._take(sock)
        self._close_fillers()
        if self._accepting is None:
            self._accepting = await self._loop.create_server(self._factory, sock=sock.dup(), backlog=_ACCEPTS)
            sock.listen(BACKLOG)

    def _stop_accepting(self) -> None:
        if self._accepting is not None:
            self._accepting.close()
            self._accepting = None

    def _stop_listening(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._close_fillers()

    def _close_fillers(self) -> None:
        for filler in self._fillers:
            filler.close()
        self._fillers.clear()

    async def _fill(self, sock: socket.socket) -> None:
        """Fill the accept queue with connections of our own, until connecting does not succeed any more."""
        for _ in range(_MAX_FILLERS):
            if not self._fillers:
                await self._take(sock)
            filler = await self._connected()
            if filler is not None:
                self._fillers.append(filler)
            elif self._fillers:
                return

    async def _connected(self) -> socket.socket | None:
        """Return a connection to our own port; None if the kernel does not answer."""
        sock = socket.socket(self._port.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.wait_for(self._loop.sock_connect(sock, self._port.target), _CONNECT_S)
        except OSError:  # TimeoutError among them
            sock.close()
            return None
        return sock

    async def _take(self, sock: socket.socket) -> None:
        """Empty the accept queue: clients are served, fillers are closed."""
        ours = {filler.getsockname()[1] for filler in self._fillers}
        while True:
            try:
                client, peer = sock.accept()
            except OSError:  # BlockingIOError, mostly: nobody is left
                return
            if peer[1] in ours:
                client.close()
            else:
                client.setblocking(False)
                await self._loop.connect_accepted_socket(self._factory, client)


class Listeners:
    """All listeners of a server: one a region, which the plan may close, and the admin API's, which stays open."""

    def __init__(self, server: Server, regions: Mapping[str, Port], admin: Port | None = None) -> None:
        self._server = server
        self._regions = {name: self._listener(port, name) for name, port in regions.items()}
        self._admin = None if admin is None else self._listener(admin, ADMIN)

    async def open(self) -> None:
        """Listen; returns once every port is as the plan has it now, and follows the plan from then on.

        Raises `ServeError` if one cannot be so.
        """
        if self._admin is not None:
            self._admin.set_state(None)
        self._server.on_change.append(self.update)
        self.update()
        for listener in (*self._regions.values(), *([self._admin] if self._admin else [])):
            if not await listener.settled():
                raise ServeError("cannot listen on all ports; the log says why")

    async def close(self) -> None:
        """Stop listening."""
        self._server.on_change.remove(self.update)
        for listener in self._regions.values():
            await listener.close()
        if self._admin is not None:
            await self._admin.close()

    def update(self) -> None:
        """Open and close ports as the plan says now."""
        now = self._server.now()
        for region, listener in self._regions.items():
            listener.set_state(self._server.engine.listening(region, now))

    def _listener(self, port: Port, region: str) -> Listener:
        reset_all = partial(self._server.connections.reset_region, region)
        return Listener(port, partial(accept_linked, self._server, region), reset_all)
