"""How conditions change: time goes on, phases begin, slots change hands, plans are put in force and taken away.

    timer or admin ──► every engine ──► tickets that may start ──► start
                                    └─► other speeds ───────────► ask everything when it is due

A server has one engine for everybody, and one more for each plan that belongs to one API key.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from windtunnel.mock_server.control.named_plans import Plans, PlansError
from windtunnel.mock_server.engine import Engine, Ticket
from windtunnel.mock_server.journal.journal import Journal
from windtunnel.mock_server.journal.punctuality import Punctuality
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.provider.admission import DEFAULT_UNIX_T0

if TYPE_CHECKING:
    from windtunnel.mock_server.transports.exchange import Exchange


class Changes:
    """The half of the shell that has the engines and the time.

    `clock` gives monotonic seconds, `t0` is where the engines' zero lies on it. `unix_time` gives the Unix time, which
    answers state; None makes them state a fixed time, for bytes that are equal in every run.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        engine: Engine | None,
        journal: Journal,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        unix_time: Callable[[], float] | None,
        t0: float | None,
    ) -> None:
        self.loop = loop
        self.clock = clock
        self.unix_time = unix_time
        self.journal = journal
        self.t0 = clock() if t0 is None else t0
        self.engine = Engine(plan, unix_t0=self.unix_t0()) if engine is None else engine
        self.plans = Plans()
        self.punctuality = Punctuality()
        self.on_reset: list[Callable[[], None]] = []
        self.on_change: list[Callable[[], None]] = []
        """Called whenever the conditions may have changed: a phase, a burst, another plan, a reset."""
        self.live: dict[Exchange, None] = {}
        self.queued: dict[int, Exchange] = {}
        self.speed_version = 0
        """Counts what may have moved the time at which anything is due."""
        self._engines: tuple[Engine, ...] = (self.engine,)
        self._speeds = self.engine.speed_version
        self.speed_follows_slots = speed_follows_slots(plan)
        self._asking_again = False
        self._starting: deque[Ticket] = deque()
        self._plan = plan
        self._latest = -math.inf
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

    def unix_t0(self) -> float:
        """The Unix time of t0, as answers state it."""
        return DEFAULT_UNIX_T0 if self.unix_time is None else self.unix_time() + self.t0 - self.clock()

    def start(self, tickets: Iterable[Ticket]) -> None:
        """Start requests that an engine let out of the queue, in order.

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

    def follow_up(self, engine: Engine, now: float) -> None:
        """One request has cancelled others, or was waited for by them."""
        cancelled = {id(ticket) for ticket in engine.aftermath.take_cancelled()}
        for exchange in [one for one in self.live if id(one.ticket) in cancelled] if cancelled else ():
            exchange.cancelled(now)
        self.start(engine.advance(now))

    # ---- time

    def slot_changed_hands(self) -> None:
        """Where the speed depends on busy slots, ask for all due times again."""
        speeds = sum([engine.speed_version for engine in self._engines])
        if speeds != self._speeds:
            self._speeds = speeds
            self.speed_version += 1
            if not self._asking_again:
                self._asking_again = True
                self.loop.call_soon(self._ask_again)

    def _ask_again(self) -> None:
        self._asking_again = False
        for exchange in list(self.live):
            if exchange in self.live:  # one that was over at once may have started, and ended, another
                exchange.poke()

    def await_change(self) -> None:
        """Set the timer for the next change of conditions in any engine."""
        self.await_nothing()
        now = self.now()
        changes = [change for engine in self._engines if (change := engine.next_change(now)) is not None]
        if changes:
            at = min(changes)
            self._change = self.loop.call_later(max(0.0, at - now), self._changed, at)

    def await_nothing(self) -> None:
        """No change of conditions any more."""
        if self._change is not None:
            self._change.cancel()
            self._change = None

    def _changed(self, at: float) -> None:
        self._change = None
        now = self.now()
        # Timers tick in milliseconds: a change that is a moment ahead happens now.
        if at - now < 0.002:
            now = self.at_least(at)
            self._conditions_changed([ticket for engine in self._engines for ticket in engine.advance(now)])
        self.await_change()

    def _conditions_changed(self, started: Iterable[Ticket]) -> None:
        self._speeds = sum([engine.speed_version for engine in self._engines])
        self.speed_version += 1
        self.start(started)
        self._ask_again()
        for follow in self.on_change:
            follow()

    # ---- plans

    def set_plan(self, plan: Plan) -> None:
        """Put another plan in force for everybody; what is under way goes on under it."""
        started = self.engine.set_plan(plan, self.now())
        self._plan = plan
        self._plans_changed(started)

    def put_plan(self, plan: Plan, key_hash: str | None) -> None:
        """Keep a plan under its name; with a key it is in force for that one from now on. Raises `PlansError`."""
        self._cut_off(self.plans.put(plan, key_hash, self.now(), self.unix_t0()))
        self._plans_changed()

    def use_plan(self, name: str) -> None:
        """Put a named plan in force for everybody. Raises `KeyError` for an unknown one, `PlansError` for one that
        belongs to a key."""
        named = self.plans.get(name)
        if named.key_hash is not None:
            raise PlansError(f"the plan {name!r} belongs to one key, and is in force for that already")
        self.set_plan(named.plan)

    def delete_plan(self, name: str) -> None:
        """Forget a named plan; with a scoped one goes everything that happened under it. Raises `KeyError`."""
        self._cut_off(self.plans.delete(name))
        self._plans_changed()

    def _cut_off(self, engine: Engine | None) -> None:
        """End the requests of an engine that is gone."""
        now = self.now()
        for exchange in [one for one in self.live if one.engine is engine]:
            self.queued.pop(id(exchange.ticket), None)
            exchange.cut_off(now)

    def _plans_changed(self, started: Iterable[Ticket] = ()) -> None:
        self._engines = (self.engine, *self.plans.engines())
        plans = [self._plan, *[named.plan for named in self.plans if named.engine is not None]]
        self.speed_follows_slots = any(speed_follows_slots(plan) for plan in plans)
        self._conditions_changed(started)
        self.await_change()

    def advance_clock(self, seconds: float, name: str | None = None) -> float:
        """Put the clock of batches and expiries forward, everybody's or a scoped plan's; gives how far it is ahead.

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

    def reset(self, t0: float | None = None) -> None:
        """Begin anew: the engines' state, the journal and the time (from `t0` on the clock; default now).

        Requests in flight are cut off with an RST and leave no row: they belong to no run.
        """
        for exchange in list(self.live):
            exchange.drop()
        self.live.clear()
        self.queued.clear()
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
        self.await_change()

    def load(self) -> tuple[int, int]:
        """Busy slots and queued requests of all engines."""
        loads = [engine.load() for engine in self._engines]
        return sum([busy for busy, _ in loads]), sum([queued for _, queued in loads])

    def snapshot(self) -> dict[str, Any]:
        """The engine's state, for people; that of the scoped plans under `plans`, by name."""
        now = self.now()
        scoped = {
            named.plan.name: {"key_hash": named.key_hash, **named.engine.snapshot(now)}
            for named in self.plans
            if named.engine is not None
        }
        return {**self.engine.snapshot(now), "plans": scoped}


def speed_follows_slots(plan: Plan) -> bool:
    """Whether in any phase and region the token rate falls as slots fill."""
    settings = [plan.settings_at(phase) for phase in range(max(1, len(plan.phases)))]
    return any(
        provider.region(name).answer.slowdown > 0 for provider in settings for name in provider.regions
    )
