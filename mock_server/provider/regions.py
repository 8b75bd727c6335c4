"""One region: its slots and queue, its limits, and the clock of its work, under the conditions of the phase."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from windtunnel.mock_server.provider.compiled_settings import Conditions
from windtunnel.mock_server.provider.rate_limiter import Limits
from windtunnel.mock_server.provider.slots import Capacity
from windtunnel.mock_server.provider.ticket import Ticket
from windtunnel.mock_server.provider.work_clock import WorkClock


class RegionState:
    """Everything that a region remembers. `speed_version` counts changes of its token rate.

    `idle_since` is when its last work ended, infinite while it works; it begins cold. `warm_at` is when what keeps
    first tokens back after a cold start is over. `acted` is how often each rule's faults have acted, by its id.
    """

    __slots__ = (
        "acted",
        "capacity",
        "clock",
        "conditions",
        "idle_since",
        "limits",
        "name",
        "open",
        "speed_version",
        "warm_at",
    )

    def __init__(self, name: str, conditions: Conditions) -> None:
        self.name = name
        self.acted: Counter[str] = Counter()
        self.conditions = conditions
        self.capacity: Capacity[Ticket] = Capacity(conditions.slots, conditions.queue)
        self.limits = Limits(conditions.limits)
        self.clock = WorkClock(conditions.token_rate(0))
        self.open = True
        self.speed_version = 0
        self.idle_since = -math.inf
        self.warm_at = -math.inf

    def change(self, conditions: Conditions, now: float) -> None:
        """From `now` on, other conditions hold. Running work goes on, at the new speed."""
        self.conditions = conditions
        self.capacity.slots = conditions.slots
        self.capacity.queue = conditions.queue
        self.limits.change(conditions.limits, now)
        self._pace(now)

    def take_slot(self, now: float) -> None:
        """Occupy a free slot."""
        self.capacity.take_slot()
        if self.conditions.slowdown:
            self._pace(now)

    def release(self, now: float) -> list[Ticket]:
        """Give a slot back; says who has one now."""
        capacity = self.capacity
        capacity.release()
        granted = self.grant(now)
        if not capacity.busy:
            self.idle_since = now
        return granted

    def grant(self, now: float) -> list[Ticket]:
        """Give free slots to those who wait longest."""
        granted = self.capacity.grant()
        for ticket in granted:
            ticket.state = "granted"
        if self.conditions.slowdown:
            self._pace(now)
        return granted

    def due(self, ticket: Ticket, tokens: int) -> float:
        """When token number `tokens` (0 is the first) of a started ticket is ready, at the present speed."""
        if ticket.progress is None:
            return self.healthy_end(ticket)
        return self.clock.due(ticket.progress, tokens)

    def generated(self, ticket: Ticket, now: float) -> int:
        """How many tokens of the answer there are at `now`, the first one included."""
        if ticket.progress is None:
            return 0
        after_first = self.clock.generated(ticket.progress, now)
        return min(ticket.tokens_planned, int(after_first + 1e-9) + 1) if after_first >= 0.0 else 0

    def healthy_end(self, ticket: Ticket) -> float:
        """When the healthy answer of a started ticket is over, should the speed stay as it is."""
        if ticket.progress is None:
            return ticket.arrived_s if ticket.started_s is None else ticket.started_s
        return self.clock.due(ticket.progress, max(0, ticket.tokens_planned - 1))

    def _pace(self, now: float) -> None:
        rate = self.conditions.token_rate(self.capacity.busy)
        if rate != self.clock.rate:
            self.clock.change(rate, now)
            self.speed_version += 1

    def snapshot(self, now: float) -> dict[str, Any]:
        """The region in numbers, for people."""
        return {
            "in_flight": self.capacity.busy,
            "queue_depth": self.capacity.waiting,
            "slots": self.capacity.slots,
            "queue": self.capacity.queue,
            "limits": self.limits.levels(now),
        }
