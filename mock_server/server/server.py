"""The server around the engines: every request, the plans, and beginning and ending.

    identify ─(half a round trip)─► admit ─┬─ refused ──────────► play its script
                                           ├─ granted ─► start ─► play │ work until the slot is free
                                           └─ queued  ─► … started by the `Scheduler`

The engine decides. The server tells it what happened when, and plays what it answers. A request's row is written once
both its wire and its slot's work are over, and they end independently: a client that leaves ends the wire, and the
provider may go on working.

A server has one engine for everybody, and one more for each plan that belongs to one API key. Its time is in
`mock_server.server.clock`, what follows from what happens in its engines in `mock_server.server.scheduler`, its
connections are in `mock_server.server.connections`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from windtunnel.mock_server.api.parse import parse
from windtunnel.mock_server.control.history import History
from windtunnel.mock_server.control.named_plans import NamedPlans, PlansError
from windtunnel.mock_server.control.prometheus import Counters
from windtunnel.mock_server.control.recent_requests import MAX_REQUESTS, RecentRequests, columns
from windtunnel.mock_server.engine import Engine, Ticket
from windtunnel.mock_server.journal.columns import SERVED_NAMES
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.journal.punctuality import Punctuality
from windtunnel.mock_server.journal.rows import served_row
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.provider.calls import Via
from windtunnel.mock_server.script import script_text
from windtunnel.mock_server.server.clock import ServerClock
from windtunnel.mock_server.server.connections import ServerConnections
from windtunnel.mock_server.server.long_work import LongWork
from windtunnel.mock_server.server.scheduler import Scheduler
from windtunnel.mock_server.transports.admin import AdminExchange
from windtunnel.mock_server.transports.exchange import Exchange
from windtunnel.mock_server.transports.limits import ADMIN_PATHS, IncomingRequests
from windtunnel.mock_server.transports.wire import HTTP_2
from windtunnel.mock_server.transports.write_batch import WriteBatch

if TYPE_CHECKING:
    from windtunnel.mock_server.control.control import Control
    from windtunnel.mock_server.transports.wire import InFlight, ReceivedRequest, Requester


class Server:
    """One server process: its engines, its journal, its connections, and every request under way.

    `engine` is one for `plan` if it is not given. `clock` gives monotonic seconds, `t0` is where the engines' zero
    lies on it (default: now). `unix_time` gives the Unix time, which answers state; None makes them state a fixed
    time, for bytes that are equal in every run. `serial` keeps the ids of several workers apart. With `unknown_fields`
    requests may have fields that the API does not have; with `unknown_ids`, ids that name nothing. `hosts` are names by
    which clients reach it beyond loopback's, for its certificates.
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
        unknown_fields: bool = False,
        unknown_ids: bool = False,
        hosts: Sequence[str] = (),
    ) -> None:
        self.loop = loop
        self.clock = ServerClock(loop, clock, unix_time, t0)
        self._unknown_fields = unknown_fields
        self._unknown_ids = unknown_ids
        self.journal = journal
        self.engine = Engine(plan, unix_t0=self.clock.unix_t0()) if engine is None else engine
        self.plans = NamedPlans()
        self._test_key: str | None = None
        """The hash of the key of the test that runs, where a test has begun."""

        self.exchanges: dict[Ticket, Exchange] = {}
        """Requests that are under way, by their tickets, in order of received."""
        self._serial = serial
        self._served = 0
        self.write_batch = WriteBatch(loop)
        self.long_work = LongWork(loop)
        self.incoming = IncomingRequests(loop)

        self.punctuality = Punctuality()
        self.counters = Counters()
        self.history = History()
        self._recent = RecentRequests()
        self.control: Control | None = None
        self.stopped = asyncio.Event()
        self.records_error: OSError | None = None
        """Why records could not be written, which has ended the server."""

        self.connections = ServerConnections(
            loop,
            self.clock,
            self.engine,
            journal,
            self.counters,
            serial=serial,
            hosts=hosts,
            closed=self._connection_closed,
            unrecorded=self.records_failed,
        )
        self.on_new_segments: list[Callable[[], None]] = []
        """Called when the records go on in new segments."""
        self.on_reset: list[Callable[[], None]] = [self._recent.clear, self.incoming.nothing_under_way]
        self.on_change: list[Callable[[], None]] = [self.connections.darkness.settle]
        """Called whenever a phase, a burst, another plan or a reset may have opened or closed a port."""
        self.scheduler = Scheduler(loop, self.clock, (self.engine,), self.exchanges, self.on_change)

    def now(self) -> float:
        """Return the seconds since t0; see `ServerClock.now`."""
        return self.clock.now()

    @property
    def t0(self) -> float:
        """Where the engines' zero lies, monotonic seconds."""
        return self.clock.t0

    # ---- requests

    def work_on(self, steps: Generator[None, None, None], over: Callable[[Exception | None], None]) -> None:
        """See `Host.work_on`."""
        self.long_work.add(steps, over)

    def not_received(self, status: int) -> None:
        """See `Host.not_received`."""
        unreceived = self.counters.unreceived
        unreceived[status] = unreceived.get(status, 0) + 1

    def failed(self, error: Exception) -> None:
        """See `Host.failed`."""
        self.counters.failures.note(error)

    def request_received(self, requester: Requester, received: ReceivedRequest) -> InFlight:
        """Answer a request that was read completely: of the API, or of the admin API."""
        if not requester.connection.region or received.path.startswith(ADMIN_PATHS):
            return self._admin_request(requester, received)
        return self._request(requester, received)

    def _request(self, requester: Requester, received: ReceivedRequest) -> Exchange:
        now = self.now()
        connection = requester.connection
        request = parse(
            received.method,
            received.path,
            received.headers,
            received.body,
            region=connection.region,
            unknown_fields=self._unknown_fields,
            unknown_ids=self._unknown_ids,
            body_hash=received.body_hash,
            http2=requester.http_version == HTTP_2,
        )
        engine = self.engine
        if self.plans.scoped:
            engine, request = self.plans.route(request, engine)
        via = None
        if request.call_id is None:  # who names its calls need not be guessed
            via = Via(connection.connection_id, self.connections.opened_s(connection), received.number)
        ticket = engine.identify(request, now, via)
        exchange = Exchange(
            self, engine, requester, ticket, number=received.number, connects=received.connects
        )
        self.exchanges[ticket] = exchange
        if received.weight:
            self.incoming.take(exchange, received.weight)
        exchange.arrive(now)
        return exchange

    def _admin_request(self, requester: Requester, received: ReceivedRequest) -> AdminExchange:
        if self.control is None:
            raise RuntimeError("a request for the admin API before there is one")
        reply = self.control.handle(received.method, received.path, received.headers, received.body)
        return AdminExchange(requester, reply, self.counters.failures)

    def _connection_closed(self, number: int) -> None:
        for engine in self.scheduler.engines:
            engine.disconnected(number)

    def next_served_id(self) -> str:
        """Return an id for a new answer."""
        self._served += 1
        return f"s{self._served}" if not self._serial else f"s{self._serial}-{self._served}"

    def record(self, exchange: Exchange, now: float) -> None:
        """Write the row of a request whose wire and whose work are both over."""
        self.forget(exchange)
        self.counters.count(exchange)
        row = served_row(exchange, now)
        self._recent.add(row, exchange.script)
        try:
            self.journal.add(row)
        except OSError as error:
            self.records_failed(error)

    def forget(self, exchange: Exchange) -> None:
        """Remove a request that is over."""
        self.exchanges.pop(exchange.ticket, None)
        self.incoming.done(exchange)

    def records_failed(self, error: OSError) -> None:
        """End the server: records cannot be written (a full disk), and without them nothing is measured."""
        self.records_error = error
        self.stopped.set()

    # ---- plans

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self.engine.plan

    def set_plan(self, plan: Plan) -> None:
        """Put another plan in force for everybody; requests under way go on under it."""
        self.engine.set_plan(plan, self.now())
        self._plans_changed()

    def put_plan(self, plan: Plan, key_hash: str | None) -> None:
        """Store a plan under its name; with a key it is in force for that key from now on. Raises `PlansError`."""
        self._drop_requests_of(self.plans.put(plan, key_hash, self.now(), self.clock.unix_t0()))
        self._plans_changed()

    def begin_test(self, plan: Plan, key: str) -> None:
        """Begin anew under `plan`, for a test whose key has the hash `key`; the key of the test before is retired.

        The plan is in force for everybody, so that a client with a key of its own meets it as well; what comes late
        from the test before carries that one's key, or was under way and is cut off.
        """
        self.engine.set_plan(plan, self.now())
        self.reset()
        if self._test_key is not None:
            self.plans.retire(self._test_key, self.clock.unix_t0())
        self.plans.scoped.pop(key, None)
        self._test_key = key
        self._plans_changed()

    def use_plan(self, name: str) -> None:
        """Put a named plan in force for everybody. Raises `KeyError` for an unknown one, `PlansError` for one that
        belongs to a key."""
        named = self.plans.get(name)
        if named.key_hash is not None:
            raise PlansError(f"the plan {name!r} belongs to one key, and is in force for that already")
        self.set_plan(named.plan)

    def delete_plan(self, name: str) -> None:
        """Delete a named plan; with a scoped one goes everything that happened under it. Raises `KeyError`."""
        self._drop_requests_of(self.plans.delete(name))
        self._plans_changed()

    def _drop_requests_of(self, engine: Engine | None) -> None:
        """Record and end the requests of an engine that was deleted."""
        now = self.now()
        for exchange in [one for one in self.exchanges.values() if one.engine is engine]:
            exchange.cut_and_drop(now)

    def _plans_changed(self) -> None:
        self.scheduler.engines = (self.engine, *self.plans.engines())
        self.scheduler.follow(self.engine, self.now())
        self.scheduler.set_timer()

    def advance_clock(self, seconds: float, name: str | None = None) -> float:
        """Put the clock of batches and expiries forward, everybody's or a scoped plan's; returns how far it is ahead.

        Raises `KeyError` for an unknown plan, `PlansError` for one without objects of its own.
        """
        engine = self.engine
        if name is not None:
            own = self.plans.get(name).engine
            if own is None:
                raise PlansError(f"the plan {name!r} belongs to no key: it has no objects of its own")
            engine = own
        engine.store.skew_s += seconds
        return engine.store.skew_s

    # ---- what the admin API shows

    @property
    def client_connections(self) -> int:
        """The number of open connections on the ports of regions."""
        return self.connections.of_regions

    @property
    def open_connections(self) -> int:
        """The number of open connections, to the admin API included."""
        return len(self.connections)

    def load(self) -> tuple[int, int]:
        """Return the busy slots and the queued requests of all engines."""
        loads = [engine.load() for engine in self.scheduler.engines]
        return sum([busy for busy, _ in loads]), sum([queued for _, queued in loads])

    def snapshot(self) -> dict[str, Any]:
        """Return the engine's state for the admin API; that of the scoped plans under `plans`, by name."""
        now = self.now()
        scoped = {
            named.plan.name: {"key_hash": named.key_hash, **named.engine.snapshot(now)}
            for named in self.plans
            if named.engine is not None
        }
        return {**self.engine.snapshot(now), "plans": scoped}

    def recent(self, *, scripts: bool = True) -> list[dict[str, Any]]:
        """Return the last requests that are over and some of those that are not, the latest first."""
        now = self.now()
        newest = sorted(self.exchanges.values(), key=lambda exchange: -exchange.ticket.arrived_s)[
            :MAX_REQUESTS
        ]
        under_way = []
        for exchange in newest:
            entry = columns(served_row(exchange, now)) | {"ended_s": None, "state": exchange.ticket.state}
            if scripts:
                entry["script"] = None if exchange.script is None else script_text(exchange.script)
            under_way.append(entry)
        return under_way + self._recent.entries(scripts=scripts)

    def requests(self) -> list[dict[str, Any]]:
        """Return the served rows of all requests; of one under way as it stands, with `ended_s` None. In order of
        received."""
        now = self.now()
        under_way = [served_row(exchange, now) for exchange in self.exchanges.values()]
        rows = [dict(zip(SERVED_NAMES, row, strict=True)) for row in [*self.journal.rows(), *under_way]]
        for row in rows[len(rows) - len(under_way) :]:
            row["ended_s"] = None
        return sorted(rows, key=lambda row: float(row["arrived_s"]))

    def script_of(self, served_id: str) -> str | None:
        """Return the script of one of the last requests; None where there is none (yet). Raises `KeyError` for any
        other request."""
        for exchange in self.exchanges.values():
            if exchange.served_id == served_id:
                return None if exchange.script is None else script_text(exchange.script)
        return self._recent.script_of(served_id)

    def sample(self) -> None:
        """Add a sample of the load to the history of the live page; to be called every second."""
        self.history.add(self.clock.monotonic(), self._served, self.counters, self.load())

    # ---- beginning anew, and the end

    def reset(self, t0: float | None = None) -> None:
        """Begin anew: the engines' state, the journal and the time (from `t0` on the clock; default now).

        Requests in flight are cut off with an RST and leave no row: they belong to no run.
        """
        for exchange in list(self.exchanges.values()):
            exchange.drop()
        self.exchanges.clear()
        self.clock.restart(t0)
        unix_t0 = self.clock.unix_t0()
        self.engine.reset(unix_t0=unix_t0)
        self.plans.reset(unix_t0)
        self.journal.restart()
        self.punctuality.reset()
        for begin_anew in self.on_reset:
            begin_anew()
        for follow in self.on_change:
            follow()
        self.scheduler.set_timer()

    def new_segments(self) -> None:
        """Let the records go on in new segments, so that those so far are complete and may be read, or deleted."""
        try:
            self.journal.cut()
            for go_on in self.on_new_segments:
                go_on()
        except OSError as error:
            self.records_failed(error)

    def stop(self) -> None:
        """End the server, soon."""
        self.stopped.set()

    def cut(self) -> None:
        """Write the rows of all requests that are under way, and close all connections. Nothing is served any more."""
        self.scheduler.cancel_timer()
        now = self.now()
        for exchange in list(self.exchanges.values()):
            exchange.cut(now)
        self.exchanges.clear()
        self.connections.end()
