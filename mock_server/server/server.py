"""The outer shell around the engine: the clock, the timers, and the life of every request.

    identify ─(half a round trip)─► admit ─┬─ refused ──────────► play its script
                                           ├─ granted ─► start ─► play │ work until the slot is free
                                           └─ queued  ─► … started by left / finished / advance

The engine decides; the shell only tells it what happened when, plays what it answers, and calls again when it
asked to be called. A request's row is written once both its wire and its slot's work are over, and they
end independently: a client that leaves ends the wire, and the provider may go on working.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp.http import RawRequestMessage

from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.control.history import History
from windtunnel.mock_server.control.prometheus import Counters
from windtunnel.mock_server.control.recent_requests import REMEMBERED, Recent, columns
from windtunnel.mock_server.engine import Engine
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.journal.rows import served_row
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.script_text import script_text
from windtunnel.mock_server.server.plan_changes import Changes
from windtunnel.mock_server.transports.admin import AdminExchange
from windtunnel.mock_server.transports.exchange import Exchange
from windtunnel.mock_server.transports.http1.limits import Reception
from windtunnel.mock_server.transports.write_batch import Outbox

if TYPE_CHECKING:
    from windtunnel.mock_server.control.control import Control
    from windtunnel.mock_server.transports.http1.connection import Connection


class Shell(Changes):
    """One server process: its engines, its journal, and everything that is under way.

    `engine` is one for `plan` if it is not given. `clock` gives monotonic seconds, `t0` is where the engine's zero
    lies on it (default: now), `unix_time` gives the Unix time. `serial` keeps the ids of several workers apart.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        engine: Engine | None = None,
        journal: Journal,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        unix_time: Callable[[], float] | None = None,
        serial: int = 0,
        t0: float | None = None,
    ) -> None:
        super().__init__(
            plan, engine=engine, journal=journal, loop=loop, clock=clock, unix_time=unix_time, t0=t0
        )
        self.outbox = Outbox(loop)
        self.counters = Counters()
        self.reception = Reception(loop)
        self.history = History()
        self._recent = Recent()
        self.on_reset += [self._recent.clear, self.reception.nothing_under_way]
        self.control: Control | None = None
        self.stopped = asyncio.Event()
        self.alone = asyncio.Event()
        self.connections: dict[Connection, float] = {}
        """What is open, and since when on the clock."""
        self.failure: OSError | None = None
        self._serial = serial
        self._ending = False
        self._connection_ids = serial << 40
        self._served = 0

    def connected(self, connection: Connection) -> int:
        """A client connected; gives the connection's number."""
        self.connections[connection] = self.clock()
        self.counters.connections += 1
        self._connection_ids += 1
        return self._connection_ids

    def disconnected(self, connection: Connection) -> None:
        """A connection is over: log it, unless that has been done at the end."""
        opened = self.connections.pop(connection, None)
        if opened is not None and not self._ending:
            self._log(connection, opened, self.clock() - self.t0)
        if self._ending and not self.connections:
            self.alone.set()

    def _log(self, connection: Connection, opened: float, closed_s: float | None) -> None:
        if not connection.region:  # it led to the admin API alone
            return
        try:
            self.journal.add_connection(
                (connection.connection_id, connection.region, opened - self.t0, closed_s)
            )
        except OSError as error:
            self.records_failed(error)

    def next_served_id(self) -> str:
        """An id for a new answer."""
        self._served += 1
        return f"s{self._served}" if not self._serial else f"s{self._serial}-{self._served}"

    # ---- requests

    def arrived(
        self, connection: Connection, message: RawRequestMessage, body: bytes, number: int, weight: int = 0
    ) -> Exchange:
        """A request was read completely; `number` counts the requests of its connection, `weight` see `Reception`."""
        now = self.now()
        request = parse(message.method, message.path, message.headers, body, region=connection.region)
        engine = self.engine
        if self.plans.scoped:
            engine, request = self.plans.route(request, engine)
        ticket = engine.identify(request, now)
        exchange = Exchange(self, engine, connection, ticket, number)
        self.live[exchange] = None
        if weight:
            self.reception.take(exchange, weight)
        exchange.arrive(now)
        return exchange

    def admin_request(self, connection: Connection, message: RawRequestMessage, body: bytes) -> AdminExchange:
        """A request to the admin API was read completely."""
        if self.control is None:
            raise RuntimeError("a request for the admin API before there is one")
        reply = self.control.handle(message.method, message.path, message.headers, body)
        return AdminExchange(connection, reply, self.counters.failures)

    def recent(self, *, scripts: bool = True) -> list[dict[str, Any]]:
        """The last requests that are over and some of those that are not, the latest first, for people."""
        now = self.now()
        newest = sorted(self.live, key=lambda exchange: -exchange.ticket.arrived_s)[:REMEMBERED]
        under_way = []
        for exchange in newest:
            entry = columns(served_row(exchange, now)) | {"ended_s": None, "state": exchange.ticket.state}
            if scripts:
                entry["script"] = None if exchange.script is None else script_text(exchange.script)
            under_way.append(entry)
        return under_way + self._recent.entries(scripts=scripts)

    def script_of(self, served_id: str) -> str | None:
        """The script of one of the last requests; None where there is none (yet). Raises `KeyError` for another."""
        for exchange in self.live:
            if exchange.served_id == served_id:
                return None if exchange.script is None else script_text(exchange.script)
        return self._recent.script_of(served_id)

    @property
    def open_connections(self) -> int:
        """Connections that are open now, to the admin API included."""
        return len(self.connections)

    def sample(self) -> None:
        """Remember how much there is to do, for the live page; to be called every second."""
        self.history.add(self.clock(), self._served, self.counters, self.load())

    def record(self, exchange: Exchange, now: float) -> None:
        """Both the wire and the work of a request are over: write its row."""
        self.forget(exchange)
        self.counters.count(exchange)
        row = served_row(exchange, now)
        self._recent.add(row, exchange.script)
        try:
            self.journal.add(row)
        except OSError as error:
            self.records_failed(error)

    def forget(self, exchange: Exchange) -> None:
        """A request is over."""
        self.live.pop(exchange, None)
        self.reception.done(exchange)

    def records_failed(self, error: OSError) -> None:
        """Records cannot be written any more (a full disk): a measurement without them is none, so end."""
        self.failure = error
        self.stopped.set()

    def stop(self) -> None:
        """End the server, soon."""
        self.stopped.set()

    def cut(self) -> None:
        """The end: write the rows of everything that still runs, and close all connections."""
        self.await_nothing()
        now = self.now()
        for exchange in list(self.live):
            exchange.cut(now)
        self.live.clear()
        self.queued.clear()
        self._ending = True
        for connection, opened in list(self.connections.items()):
            self._log(connection, opened, None)
            connection.close()
        if not self.connections:
            self.alone.set()
