"""The timer of the engines, and what follows from what has happened in them.

    a call of an engine, its timer, the admin API ──► advance ─┬─► slots are over, requests cancelled ──► their rows
                                                               ├─► tickets that may start ──────────────► start
                                                               └─► another speed ──► compute all due times anew

An engine names the time at which `advance` must be called next: one timer serves all slots, phases and bursts of all
engines.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from windtunnel.mock_server.engine import Engine, Ticket
from windtunnel.mock_server.server.clock import ServerClock

if TYPE_CHECKING:
    from windtunnel.mock_server.transports.exchange import Exchange

_TIMER_TICK_S = 0.002
"""Seconds: timers tick in milliseconds, so a change that is this near counts as due."""


class Scheduler:
    """Advances `engines` when they ask for it, and has the requests under way act on it.

    `under_way` are the requests by their tickets, in order of received; `on_change` are called whenever a phase, a
    burst or another plan may have opened or closed a port.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: ServerClock,
        engines: Sequence[Engine],
        under_way: Mapping[Ticket, Exchange],
        on_change: Sequence[Callable[[], None]],
    ) -> None:
        self.engines = engines
        self._loop = loop
        self._clock = clock
        self._under_way = under_way
        self._on_change = on_change
        self._to_do: deque[Callable[[], None]] = deque()
        self._doing = False
        self._update_scheduled = False
        self._next_change: asyncio.TimerHandle | None = None
        self._next_change_at = math.inf
        self.set_timer()

    def set_timer(self) -> None:
        """Set the timer for the next change in any engine."""
        self.cancel_timer()
        now = self._clock.now()
        for engine in self.engines:
            self._call_at(engine.next_change(now))

    def cancel_timer(self) -> None:
        """Cancel the timer of `set_timer`."""
        if self._next_change is not None:
            self._next_change.cancel()
        self._next_change, self._next_change_at = None, math.inf

    def _call_at(self, at: float) -> None:
        """Have the timer call at `at`, unless it does so sooner."""
        if at < self._next_change_at:
            if self._next_change is not None:
                self._next_change.cancel()
            self._next_change_at = at
            self._next_change = self._clock.call_at(at, self._change_due, at)

    def _change_due(self, at: float) -> None:
        self._next_change, self._next_change_at = None, math.inf
        now = self._clock.now()
        if at - now < _TIMER_TICK_S:
            now = self._clock.now_at_least(at)
            try:
                for engine in self.engines:
                    self.follow(engine, now)
            finally:  # whatever one call comes to, time goes on
                self.set_timer()
        else:
            self.set_timer()

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
        under_way = self._under_way
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
            self._loop.call_soon(self._update_due_times)
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
        for follow in self._on_change:
            follow()

    def _update_due_times(self) -> None:
        self._update_scheduled = False
        under_way = self._under_way
        for exchange in list(under_way.values()):
            if exchange.ticket in under_way:  # one that was over may have started, and ended, another
                exchange.on_behalf(exchange.update_due_times)
