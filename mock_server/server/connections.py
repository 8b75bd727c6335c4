"""The open connections of a server: their numbers, their rows, and what a region does with them before any request.

    a client connects ──► add ──► its number ──► remove ──► its row
                           │                       ▲
                           └► TLS: hand_over ──► add, opened_at       HTTP goes on, open since the client connected
                           └► HTTP/1.1: replace                       by HTTP/2, under the same number

A region's rules for connections, its silence and its limit of headers hold as the engine has them at the moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from windtunnel.mock_server.control.prometheus import Counters
from windtunnel.mock_server.engine import Engine
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.server.clock import ServerClock
from windtunnel.mock_server.transports.dark import Darkness
from windtunnel.mock_server.transports.door import Doors
from windtunnel.mock_server.transports.tls.certificates import Certificates

if TYPE_CHECKING:
    from windtunnel.mock_server.provider.compiled_settings import ConnectionSettings
    from windtunnel.mock_server.transports.wire import OpenConnection


class ServerConnections:
    """The open connections of a server, in the order in which they were registered.

    `serial` keeps the numbers of several workers apart, `hosts` are the names in certificates beyond loopback's.
    `closed` is told the number of every connection that is over, `unrecorded` why a row could not be written.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: ServerClock,
        engine: Engine,
        journal: Journal,
        counters: Counters,
        *,
        serial: int,
        hosts: Sequence[str],
        closed: Callable[[int], None],
        unrecorded: Callable[[OSError], None],
    ) -> None:
        self._clock = clock
        self._engine = engine
        self._journal = journal
        self._counters = counters
        self._hosts = hosts
        self._closed = closed
        self._unrecorded = unrecorded
        self._open: dict[OpenConnection, float] = {}
        """Since when each is open, monotonic seconds."""
        self._numbers = self._links = serial << 40
        self._ending = False
        self._all_closed = asyncio.Event()
        self.doors = Doors(loop, self._rules)
        self.darkness = Darkness(loop, self._silent_regions)

    def __len__(self) -> int:
        """The number of open connections, to the admin API included."""
        return len(self._open)

    @property
    def of_regions(self) -> int:
        """The number of open connections on the ports of regions."""
        return sum([bool(connection.region) for connection in self._open])

    # ---- from connecting to closing

    def add(self, connection: OpenConnection) -> int:
        """Register a new connection; returns its number."""
        self._open[connection] = self._clock.monotonic()
        self._counters.connections += 1
        self._numbers += 1
        return self._numbers

    def replace(self, before: OpenConnection, connection: OpenConnection) -> int:
        """Keep a connection under another object: what is spoken on it has come out; returns its number."""
        self._open[connection] = self._open.pop(before)
        return before.connection_id

    def hand_over(self, connection: OpenConnection) -> float:
        """Remove a connection without a row: another one goes on in its place. Returns since when it is open."""
        self._counters.connections -= 1
        return self._open.pop(connection)

    def opened_at(self, connection: OpenConnection, opened: float) -> None:
        """Note since when a connection is open that has taken the place of another one."""
        if connection in self._open:
            self._open[connection] = opened

    def opened_s(self, connection: OpenConnection) -> float:
        """Return since when a connection is open, seconds from t0."""
        return self._open[connection] - self._clock.t0

    def remove(self, connection: OpenConnection) -> None:
        """Remove a closed connection and write its row, unless `end` has written it."""
        opened = self._open.pop(connection, None)
        self._closed(connection.connection_id)
        if opened is not None and not self._ending:
            self._record(connection, opened, self._clock.monotonic() - self._clock.t0)
        if self._ending and not self._open:
            self._all_closed.set()

    def _record(self, connection: OpenConnection, opened: float, closed_s: float | None) -> None:
        if not connection.region:  # it led to the admin API alone
            return
        row = (connection.connection_id, connection.region, opened - self._clock.t0, closed_s)
        try:
            self._journal.add_connection(row)
        except OSError as error:
            self._unrecorded(error)

    def reset_region(self, region: str) -> None:
        """Reset all connections to a region."""
        for connection in [one for one in self._open if one.region == region]:
            connection.reset()

    def end(self) -> None:
        """Write the rows of all open connections, and close them: the server ends."""
        self._ending = True
        self.darkness.end()
        self.remove_certificates()
        for connection, opened in list(self._open.items()):
            self._record(connection, opened, None)
            connection.close()
        if not self._open:
            self._all_closed.set()

    async def ended(self, patience: float) -> None:
        """Wait until clients have read what was written before `end`, up to `patience` seconds; reset those left."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_closed.wait(), patience)
        for connection in list(self._open):
            connection.abort()

    # ---- regions

    def header_limit(self, region: str) -> int | None:
        """Return how many bytes of a request's head get through to a region now; None: any number."""
        return self._engine.settings(region, self._clock.now()).header_limit if region else None

    def next_link(self) -> int:
        """Return a number for the way of a new connection through its region's link."""
        self._links += 1
        return self._links

    def _rules(self, region: str) -> Callable[[], ConnectionSettings | None] | None:
        """Return what gives a region's rules for connections as they are now; None if it has none in any phase."""
        if not region or not self._engine.ever(region, lambda settings: settings.connections):
            return None
        return lambda: self._engine.settings(region, self._clock.now()).connections

    def _silent_regions(self) -> frozenset[str]:
        return self._engine.silent_regions(self._clock.now())

    # ---- TLS

    @cached_property
    def certificates(self) -> Certificates:
        """The certificates of regions with TLS, made when they are first asked for. Raises `CertificatesError`."""
        return Certificates(self._hosts)

    def remove_certificates(self) -> None:
        """Remove the directory of the certificates, if any were made."""
        made: Certificates | None = vars(self).pop("certificates", None)
        if made is not None:
            made.close()

    def fault_acted(self, name: str) -> None:
        """Count a fault that has acted before there was a request."""
        self._counters.faults[name] = self._counters.faults.get(name, 0) + 1

    def handshake_over(self, how: Literal["full", "resumed", "failed"]) -> None:
        """Count a handshake of TLS, by how it went."""
        self._counters.handshakes[how] = self._counters.handshakes.get(how, 0) + 1
