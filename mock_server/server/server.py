"""The server around the engines: the clock, the timers, and every request and connection.

    identify ─(half a round trip)─► admit ─┬─ refused ──────────► play its script
                                           ├─ granted ─► start ─► play │ work until the slot is free
                                           └─ queued  ─► … started by `advance`

    a call of an engine, its timer, the admin API ──► advance ─┬─► slots are over, requests cancelled ──► their rows
                                                               ├─► tickets that may start ──────────────► start
                                                               └─► another speed ──► compute all due times anew

The engine decides. The server tells it what happened when, plays what it answers, and calls `advance` at the time
that it names: one timer serves all slots, phases and bursts. A request's row is written once both its wire and its
slot's work are over, and they end independently: a client that leaves ends the wire, and the provider may go on
working.

A server has one engine for everybody, and one more for each plan that belongs to one API key.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

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
from windtunnel.mock_server.provider.admission import DEFAULT_UNIX_T0
from windtunnel.mock_server.provider.calls import Via
from windtunnel.mock_server.provider.outages import is_silent
from windtunnel.mock_server.script import script_text
from windtunnel.mock_server.server.long_work import LongWork
from windtunnel.mock_server.transports.admin import AdminExchange
from windtunnel.mock_server.transports.dark import Darkness
from windtunnel.mock_server.transports.door import Doors
from windtunnel.mock_server.transports.exchange import Exchange
from windtunnel.mock_server.transports.limits import ADMIN_PATHS, IncomingRequests
from windtunnel.mock_server.transports.tls.certificates import Certificates
from windtunnel.mock_server.transports.wire import HTTP_2
from windtunnel.mock_server.transports.write_batch import WriteBatch

if TYPE_CHECKING:
    from windtunnel.mock_server.control.control import Control
    from windtunnel.mock_server.provider.compiled_settings import ConnectionSettings
    from windtunnel.mock_server.transports.wire import InFlight, OpenConnection, ReceivedRequest, Requester

_TIMER_TICK_S = 0.002
"""Seconds: timers tick in milliseconds, so a change that is this near counts as due."""


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
        self.clock = clock
        self.unix_time = unix_time
        self._unknown_fields = unknown_fields
        self._unknown_ids = unknown_ids
        self._hosts = hosts
        self.journal = journal
        self.t0 = clock() if t0 is None else t0
        self._latest = -math.inf
        self.engine = Engine(plan, unix_t0=self.unix_t0()) if engine is None else engine
        self.plans = NamedPlans()
        self._test_key: str | None = None
        """The hash of the key of the test that runs, where a test has begun."""
        self._plan = plan
        self._engines: tuple[Engine, ...] = (self.engine,)

        self.exchanges: dict[Ticket, Exchange] = {}
        """Requests that are under way, by their tickets, in order of received."""
        self._to_do: deque[Callable[[], None]] = deque()
        self._doing = False
        self._serial = serial
        self._served = 0

        self.connections: dict[OpenConnection, float] = {}
        """Open connections, and since when on the clock each is open."""
        self._connection_ids = self._links = serial << 40
        self.doors = Doors(loop, self._connection_rules)
        self.write_batch = WriteBatch(loop)
        self.long_work = LongWork(loop)
        self.incoming = IncomingRequests(loop)

        self.punctuality = Punctuality()
        self.counters = Counters()
        self.history = History()
        self._recent = RecentRequests()
        self.control: Control | None = None

        self.on_new_segments: list[Callable[[], None]] = []
        """Called when the records go on in new segments."""
        self.on_reset: list[Callable[[], None]] = [self._recent.clear, self.incoming.nothing_under_way]
        self.on_change: list[Callable[[], None]] = []
        """Called whenever a phase, a burst, another plan or a reset may have opened or closed a port."""
        self.darkness = Darkness(loop, self._silent_regions)
        self.on_change.append(self.darkness.settle)
        self.stopped = asyncio.Event()
        self.all_disconnected = asyncio.Event()
        self.records_error: OSError | None = None
        """Why records could not be written, which has ended the server."""
        self._ending = False

        self._update_scheduled = False
        self._next_change: asyncio.TimerHandle | None = None
        self._next_change_at = math.inf
        self.schedule_next_change()

    # ---- connections

    def connected(self, connection: OpenConnection) -> int:
        """Register a new connection; returns its number."""
        self.connections[connection] = self.clock()
        self.counters.connections += 1
        self._connection_ids += 1
        return self._connection_ids

    def known_as(self, connection: OpenConnection, before: OpenConnection) -> int:
        """Keep a connection under another object than before: what is spoken on it has come out; returns its number."""
        self.connections[connection] = self.connections.pop(before)
        return before.connection_id

    def hand_over(self, connection: OpenConnection) -> float:
        """Remove a connection without a row: another one goes on in its place. Returns since when it is open."""
        self.counters.connections -= 1
        return self.connections.pop(connection)

    def opened_at(self, connection: OpenConnection, opened: float) -> None:
        """Note since when a connection is open that has taken the place of another one."""
        if connection in self.connections:
            self.connections[connection] = opened

    def fault_acted(self, name: str) -> None:
        """Count a fault that has acted before there was a request."""
        self.counters.faults[name] = self.counters.faults.get(name, 0) + 1

    def handshake_over(self, how: Literal["full", "resumed", "failed"]) -> None:
        """Count a handshake of TLS, by how it went."""
        self.counters.handshakes[how] = self.counters.handshakes.get(how, 0) + 1

    @cached_property
    def certificates(self) -> Certificates:
        """The certificates of regions with TLS, made when they are first asked for. Raises `CertificatesError`."""
        return Certificates(self._hosts)

    def _connection_rules(self, region: str) -> Callable[[], ConnectionSettings | None] | None:
        """Return what gives a region's rules for connections as they are now; None if it has none in any phase."""
        if not region or not self.engine.ever(region, lambda settings: settings.connections):
            return None
        return lambda: self.engine.settings(region, self.now()).connections

    def header_limit(self, region: str) -> int | None:
        """Return how many bytes of a request's head get through to a region now; None: any number."""
        return self.engine.settings(region, self.now()).header_limit if region else None

    def remove_certificates(self) -> None:
        """Remove the directory of the certificates, if any were made."""
        made: Certificates | None = vars(self).pop("certificates", None)
        if made is not None:
            made.close()

    def next_link(self) -> int:
        """Return a number for the way of a new connection through its region's link."""
        self._links += 1
        return self._links

    def _silent_regions(self) -> frozenset[str]:
        """The regions on whose open connections nothing passes now."""
        now = self.now()
        regions = self.plan.provider.regions
        return frozenset(region for region in regions if is_silent(self.engine.listening(region, now)))

    def disconnected(self, connection: OpenConnection) -> None:
        """Remove a closed connection and write its row, unless `cut` has written it."""
        opened = self.connections.pop(connection, None)
        for engine in self._engines:
            engine.disconnected(connection.connection_id)
        if opened is not None and not self._ending:
            self._record_connection(connection, opened, self.clock() - self.t0)
        if self._ending and not self.connections:
            self.all_disconnected.set()

    def _record_connection(self, connection: OpenConnection, opened: float, closed_s: float | None) -> None:
        if not connection.region:  # it led to the admin API alone
            return
        try:
            self.journal.add_connection(
                (connection.connection_id, connection.region, opened - self.t0, closed_s)
            )
        except OSError as error:
            self.records_failed(error)

    @property
    def client_connections(self) -> int:
        """The number of open connections on the ports of regions."""
        return sum([bool(connection.region) for connection in self.connections])

    @property
    def open_connections(self) -> int:
        """The number of open connections, to the admin API included."""
        return len(self.connections)

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
            via = Via(connection.connection_id, self.connections[connection] - self.t0, received.number)
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

    # ---- time

    def now(self) -> float:
        """Return the seconds since t0. Never runs backwards, not even behind a time that `now_at_least` gave."""
        now = self.clock() - self.t0
        if now > self._latest:
            self._latest = now
            return now
        return self._latest

    def now_at_least(self, then: float) -> float:
        """Return now, or `then` if that is a moment ahead; time goes on from there.

        Timers tick in milliseconds and fire a little early. The engine must see what is due at the time it is due.
        """
        now = self.now()
        if then > now:
            self._latest = then
            return then
        return now

    def call_at(self, at: float, step: Callable[..., None], *args: Any) -> asyncio.TimerHandle:
        """Have `step` called at `at`, seconds from t0.

        Counted from t0, and not from when it is asked for: on the virtual clock the last digit of a time must not
        depend on how often a timer was set.
        """
        return self.loop.call_later(max(0.0, self.t0 + at - self.clock()), step, *args)

    def unix_t0(self) -> float:
        """Return the Unix time of t0, as answers state it."""
        return DEFAULT_UNIX_T0 if self.unix_time is None else self.unix_time() + self.t0 - self.clock()

    def schedule_next_change(self) -> None:
        """Set the timer for the next change in any engine."""
        self.cancel_next_change()
        now = self.now()
        for engine in self._engines:
            self._call_at(engine.next_change(now))

    def cancel_next_change(self) -> None:
        """Cancel the timer of `schedule_next_change`."""
        if self._next_change is not None:
            self._next_change.cancel()
        self._next_change, self._next_change_at = None, math.inf

    def _call_at(self, at: float) -> None:
        """Have the timer call at `at`, unless it does so sooner."""
        if at < self._next_change_at:
            if self._next_change is not None:
                self._next_change.cancel()
            self._next_change_at = at
            self._next_change = self.call_at(at, self._change_due, at)

    def _change_due(self, at: float) -> None:
        self._next_change, self._next_change_at = None, math.inf
        now = self.now()
        if at - now < _TIMER_TICK_S:
            now = self.now_at_least(at)
            try:
                for engine in self._engines:
                    self.follow(engine, now)
            finally:  # whatever one call comes to, time goes on
                self.schedule_next_change()
        else:
            self.schedule_next_change()

    def follow(self, engine: Engine, now: float) -> None:
        """Act on what has happened in an engine by `now`; to be called after every call that may change something."""
        at = engine.next_change(now)
        if at > now:
            self._call_at(at)
            return
        happened = engine.advance(now)
        to_do = self._to_do
        # What is done here may come back: a request that is over at once lets further ones out of the queue. Those
        # are appended and done by the loop that runs already: recursion would be as deep as the queue is long.
        under_way = self.exchanges
        for ticket in happened.cancelled:
            if ticket in under_way:
                exchange = under_way[ticket]
                to_do.append(partial(exchange.on_behalf, exchange.cancelled))
        for ticket, error in happened.failed:
            if ticket in under_way:
                exchange = under_way[ticket]
                to_do.append(partial(exchange.on_behalf, exchange.work_over, error))
        for ticket in happened.ended:
            if ticket in under_way:
                exchange = under_way[ticket]
                to_do.append(partial(exchange.on_behalf, exchange.work_over))
        for ticket in happened.started:
            if ticket in under_way:
                exchange = under_way[ticket]
                to_do.append(partial(exchange.on_behalf, exchange.start))
        if happened.new_conditions:
            to_do.append(self._conditions_changed)
        elif happened.new_speed and not self._update_scheduled:
            # Once a round of the loop is enough: many slots may change hands within one.
            self._update_scheduled = True
            self.loop.call_soon(self._update_due_times)
        if not self._doing:
            self._doing = True
            try:
                while to_do:
                    to_do.popleft()()
            finally:
                self._doing = False
        self._call_at(engine.next_change(now))

    def _conditions_changed(self) -> None:
        self._update_due_times()
        for follow in self.on_change:
            follow()

    def _update_due_times(self) -> None:
        self._update_scheduled = False
        for exchange in list(self.exchanges.values()):
            if exchange.ticket in self.exchanges:  # one that was over may have started, and ended, another
                exchange.on_behalf(exchange.update_due_times)

    # ---- plans

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self._plan

    def set_plan(self, plan: Plan) -> None:
        """Put another plan in force for everybody; requests under way go on under it."""
        self.engine.set_plan(plan, self.now())
        self._plan = plan
        self._plans_changed()

    def put_plan(self, plan: Plan, key_hash: str | None) -> None:
        """Store a plan under its name; with a key it is in force for that key from now on. Raises `PlansError`."""
        self._drop_requests_of(self.plans.put(plan, key_hash, self.now(), self.unix_t0()))
        self._plans_changed()

    def begin_test(self, plan: Plan, key: str) -> None:
        """Begin anew under `plan`, for a test whose key has the hash `key`; the key of the test before is retired.

        The plan is in force for everybody, so that a client with a key of its own meets it as well; what comes late
        from the test before carries that one's key, or was under way and is cut off.
        """
        self.engine.set_plan(plan, self.now())
        self._plan = plan
        self.reset()
        if self._test_key is not None:
            self.plans.retire(self._test_key, self.unix_t0())
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
        self._engines = (self.engine, *self.plans.engines())
        self.follow(self.engine, self.now())
        self.schedule_next_change()

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

    def load(self) -> tuple[int, int]:
        """Return the busy slots and the queued requests of all engines."""
        loads = [engine.load() for engine in self._engines]
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
        self.history.add(self.clock(), self._served, self.counters, self.load())

    # ---- beginning anew, and the end

    def reset(self, t0: float | None = None) -> None:
        """Begin anew: the engines' state, the journal and the time (from `t0` on the clock; default now).

        Requests in flight are cut off with an RST and leave no row: they belong to no run.
        """
        for exchange in list(self.exchanges.values()):
            exchange.drop()
        self.exchanges.clear()
        self.t0 = self.clock() if t0 is None else t0
        self._latest = -math.inf
        unix_t0 = self.unix_t0()
        self.engine.reset(unix_t0=unix_t0)
        self.plans.reset(unix_t0)
        self.journal.restart()
        self.punctuality.reset()
        for begin_anew in self.on_reset:
            begin_anew()
        for follow in self.on_change:
            follow()
        self.schedule_next_change()

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
        self.cancel_next_change()
        now = self.now()
        for exchange in list(self.exchanges.values()):
            exchange.cut(now)
        self.exchanges.clear()
        self._ending = True
        self.darkness.end()
        self.remove_certificates()
        for connection, opened in list(self.connections.items()):
            self._record_connection(connection, opened, None)
            connection.close()
        if not self.connections:
            self.all_disconnected.set()
