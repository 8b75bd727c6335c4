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
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from aiohttp.http import RawRequestMessage

from mock_server.api.errors import error_body
from mock_server.api.routes import parse
from mock_server.engine import Engine, Ticket
from mock_server.journal import Journal
from mock_server.metrics import Counters
from mock_server.plan import Plan
from mock_server.punctuality import Punctuality
from mock_server.transports.admin import AdminExchange
from mock_server.transports.exchange import Exchange
from mock_server.transports.outbox import Outbox
from mock_server.transports.rows import served_row

if TYPE_CHECKING:
    from mock_server.control import Control
    from mock_server.transports.http1 import Connection


class Shell:
    """One server process: an engine, its journal, and everything that is under way.

    `engine` is one for `plan` if it is not given. `clock` gives monotonic seconds, `t0` is where the engine's zero lies
    on it (default: now). `serial` keeps the ids
    of several worker processes apart.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        engine: Engine | None = None,
        journal: Journal,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        serial: int = 0,
        t0: float | None = None,
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.engine = Engine(plan) if engine is None else engine
        self.outbox = Outbox(loop)
        self.journal = journal
        self.counters = Counters()
        self.punctuality = Punctuality()
        self.control: Control | None = None
        self.on_reset: list[Callable[[], None]] = []
        self.stopped = asyncio.Event()
        self.alone = asyncio.Event()
        self.connections: set[Connection] = set()
        self.live: set[Exchange] = set()
        self.queued: dict[int, Exchange] = {}
        self.failure: OSError | None = None
        self.t0 = clock() if t0 is None else t0
        self.speed_version = self.engine.speed_version
        self.speed_follows_slots = speed_follows_slots(plan)
        self._asking_again = False
        self._starting: deque[Ticket] = deque()
        self._plan = plan
        self._latest = -math.inf
        self._serial = serial
        self._ending = False
        self._connection_ids = serial << 40
        self._served = 0
        self._change: asyncio.TimerHandle | None = None
        self.await_change()

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self._plan

    def now(self) -> float:
        """Seconds from t0; never runs backwards, also where the engine was told of an end a moment early."""
        now = self.clock() - self.t0
        if now > self._latest:
            self._latest = now
            return now
        return self._latest

    def at_least(self, then: float) -> float:
        """Now, or `then` if that is a moment ahead: time goes on from there."""
        now = self.now()
        if then > now:
            self._latest = then
            return then
        return now

    def connected(self, connection: Connection) -> int:
        """A client connected; gives the connection's number."""
        self.connections.add(connection)
        self.counters.connections += 1
        self._connection_ids += 1
        return self._connection_ids

    def disconnected(self, connection: Connection) -> None:
        """A connection is over."""
        self.connections.discard(connection)
        if self._ending and not self.connections:
            self.alone.set()

    def next_served_id(self) -> str:
        """An id for a new answer."""
        self._served += 1
        return f"s{self._served}" if not self._serial else f"s{self._serial}-{self._served}"

    def error_body(self, status: int, message: str) -> bytes:
        """The body of an error in the API's form."""
        return error_body(status, message, "invalid_request_error", None, None)

    # ---- requests

    def arrived(
        self, connection: Connection, message: RawRequestMessage, body: bytes, number: int
    ) -> Exchange:
        """A request was read completely; `number` counts the requests of its connection."""
        now = self.now()
        request = parse(message.method, message.path, message.headers, body, region=connection.region)
        ticket = self.engine.identify(request, now)
        exchange = Exchange(self, connection, ticket, number)
        self.live.add(exchange)
        exchange.arrive(now)
        return exchange

    def admin_request(self, connection: Connection, message: RawRequestMessage, body: bytes) -> AdminExchange:
        """A request to the admin API was read completely."""
        if self.control is None:
            raise RuntimeError("a request for the admin API before there is one")
        reply = self.control.handle(message.method, message.path, message.headers, body)
        return AdminExchange(connection, reply)

    def start(self, tickets: Iterable[Ticket]) -> None:
        """Start requests that the engine let out of the queue, in order.

        One that is over at once lets further ones out: those line up behind, instead of recursing.
        """
        starting = self._starting
        begun = bool(starting)
        starting.extend(tickets)
        if begun:
            return
        while starting:
            exchange = self.queued.pop(id(starting[0]), None)
            if exchange is not None:
                exchange.start()
            starting.popleft()

    # ---- changes

    def slot_changed_hands(self) -> None:
        """Where the speed depends on busy slots, ask for all due times again."""
        version = self.engine.speed_version
        if version != self.speed_version:
            self.speed_version = version
            if not self._asking_again:
                self._asking_again = True
                self.loop.call_soon(self._ask_again)

    def _ask_again(self) -> None:
        self._asking_again = False
        for exchange in list(self.live):
            if exchange in self.live:  # one that was over at once may have started, and ended, another
                exchange.poke()

    def await_change(self) -> None:
        """Set the timer for the engine's next change of conditions."""
        if self._change is not None:
            self._change.cancel()
            self._change = None
        now = self.now()
        at = self.engine.next_change(now)
        if at is not None:
            self._change = self.loop.call_later(max(0.0, at - now), self._changed, at)

    def _changed(self, at: float) -> None:
        self._change = None
        now = self.now()
        # Timers tick in milliseconds: a change that is a moment ahead happens now.
        if at - now < 0.002:
            now = self.at_least(at)
            self._conditions_changed(self.engine.advance(now))
        self.await_change()

    def _conditions_changed(self, started: Iterable[Ticket]) -> None:
        self.speed_version = self.engine.speed_version
        self.start(started)
        self._ask_again()

    def set_plan(self, plan: Plan) -> None:
        """Put another plan in force; what is under way goes on under it."""
        started = self.engine.set_plan(plan, self.now())
        self._plan = plan
        self.speed_follows_slots = speed_follows_slots(plan)
        self._conditions_changed(started)
        self.await_change()

    def reset(self, t0: float | None = None) -> None:
        """Begin anew: the engine's state, the journal and the time (from `t0` on the clock; default now).

        Requests in flight are cut off with an RST and leave no row: they belong to no run.
        """
        for exchange in list(self.live):
            exchange.drop()
        self.live.clear()
        self.queued.clear()
        self.t0 = self.clock() if t0 is None else t0
        self._latest = -math.inf
        self.engine.reset()
        self.journal.restart()
        self.punctuality.reset()
        for begin_anew in self.on_reset:
            begin_anew()
        self.await_change()

    def snapshot(self) -> dict[str, Any]:
        """The engine's state, for people."""
        return self.engine.snapshot(self.now())

    def record(self, exchange: Exchange, now: float) -> None:
        """Both the wire and the work of a request are over: write its row."""
        self.live.discard(exchange)
        self.counters.count(exchange)
        try:
            self.journal.add(served_row(exchange, now))
        except OSError as error:
            self.records_failed(error)

    def records_failed(self, error: OSError) -> None:
        """Records cannot be written any more (a full disk): a measurement without them is none, so end."""
        self.failure = error
        self.stopped.set()

    def stop(self) -> None:
        """End the server, soon."""
        self.stopped.set()

    def cut(self) -> None:
        """The end: write the rows of everything that still runs, and close all connections."""
        if self._change is not None:
            self._change.cancel()
            self._change = None
        now = self.now()
        for exchange in list(self.live):
            exchange.cut(now)
        self.live.clear()
        self.queued.clear()
        self._ending = True
        for connection in list(self.connections):
            connection.close()
        if not self.connections:
            self.alone.set()


def speed_follows_slots(plan: Plan) -> bool:
    """Whether in any phase and region the token rate falls as slots fill."""
    settings = [plan.settings_at(phase) for phase in range(max(1, len(plan.phases)))]
    return any(
        provider.region(name).answer.slowdown > 0 for provider in settings for name in provider.regions
    )
