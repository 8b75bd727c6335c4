"""One region: its slots and queue, its rate limiter, and its work clock, under the settings of the phase."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from windtunnel.mock_server.provider.compiled_settings import CompiledSettings
from windtunnel.mock_server.provider.rate_limiter import RateLimiter
from windtunnel.mock_server.provider.schedule import Schedule
from windtunnel.mock_server.provider.slots import Slots
from windtunnel.mock_server.provider.ticket import Ticket
from windtunnel.mock_server.provider.work_clock import WorkClock

_ROUNDING = 1e-9
"""Tokens: a token whose due time is exactly now counts, whatever floating point made of it."""


class RegionState:
    """The state of one region. `schedule`, which it shares with others, hears of changes of its token rate.

    `idle_since` is when its last work ended, infinite while it works; it begins cold. `warm_at` is when the delay of
    a cold start is over. `fault_counts` counts the faults that were applied, by the id of their rule. `open` is False
    once the engine has been reset or closed: tickets of that time have no effect any more.
    """

    __slots__ = (
        "clock",
        "fault_counts",
        "idle_since",
        "limiter",
        "name",
        "open",
        "schedule",
        "settings",
        "slots",
        "warm_at",
    )

    def __init__(self, name: str, settings: CompiledSettings, schedule: Schedule) -> None:
        self.name = name
        self.fault_counts: Counter[str] = Counter()
        self.settings = settings
        self.slots: Slots[Ticket] = Slots(settings.slots, settings.queue)
        self.limiter = RateLimiter(settings.limits)
        self.clock = WorkClock(settings.token_rate(0))
        self.open = True
        self.schedule = schedule
        self.idle_since = -math.inf
        self.warm_at = -math.inf

    def change(self, settings: CompiledSettings, now: float) -> None:
        """Apply other settings from `now` on. Running work goes on, at the new speed."""
        self.settings = settings
        self.slots.total = settings.slots
        self.slots.queue_size = settings.queue
        self.limiter.change(settings.limits, now)
        self._update_rate(now)

    def take_slot(self, now: float) -> None:
        """Occupy a free slot."""
        self.slots.take_slot()
        if self.settings.slowdown:
            self._update_rate(now)

    def release(self, now: float) -> list[Ticket]:
        """Give a slot back; return the tickets that have been granted one."""
        slots = self.slots
        slots.release()
        granted = self.grant(now)
        # Only after granting: a slot that passes to the next ticket at once leaves the region no idle time.
        if not slots.busy:
            self.idle_since = now
        return granted

    def grant(self, now: float) -> list[Ticket]:
        """Give free slots to the tickets that wait longest; return those tickets."""
        granted = self.slots.grant()
        for ticket in granted:
            ticket.state = "granted"
        if self.settings.slowdown:
            self._update_rate(now)
        return granted

    def due(self, ticket: Ticket, tokens: int) -> float:
        """Return when token number `tokens` (0 is the first) of a started ticket is ready, at the present speed."""
        if ticket.progress is None:
            return self.healthy_end(ticket)
        return self.clock.due(ticket.progress, tokens)

    def generated(self, ticket: Ticket, now: float) -> int:
        """Return the number of tokens of the answer at `now`, the first one included."""
        if ticket.progress is None:
            return 0
        after_first = self.clock.generated(ticket.progress, now)
        return min(ticket.tokens_planned, int(after_first + _ROUNDING) + 1) if after_first >= 0.0 else 0

    def healthy_end(self, ticket: Ticket) -> float:
        """Return when the healthy answer of a started ticket is over, at the present speed."""
        if ticket.progress is None:
            return ticket.arrived_s if ticket.started_s is None else ticket.started_s
        return self.clock.due(ticket.progress, max(0, ticket.tokens_planned - 1))

    def _update_rate(self, now: float) -> None:
        rate = self.settings.token_rate(self.slots.busy)
        if rate != self.clock.rate:
            self.clock.change(rate, now)
            self.schedule.speed_changed()

    def snapshot(self, now: float) -> dict[str, Any]:
        """Return slots, queue and limits for the admin API."""
        return {
            "in_flight": self.slots.busy,
            "queue_depth": self.slots.waiting,
            "slots": self.slots.total,
            "queue": self.slots.queue_size,
            "limits": self.limiter.levels(now),
        }
