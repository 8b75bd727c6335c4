"""When slots end, and what the caller of the engine has not heard of yet. No clock.

start ──► add(ticket) ─┬─► next_end ──► the engine's `next_change`
the speed changes ─────┘      └───────► due(now), one by one ──► finished ──► Happened.ended
slots that come free, cancels, another speed ─────────────────────────────► Happened
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from windtunnel.mock_server.provider.ticket import Ticket


@dataclass(slots=True)
class Happened:
    """What has happened since the caller of the engine last called `advance`, each in order.

    `started` are tickets with a slot of their own now, to be played with `start`. `ended` are tickets whose slot's
    time is over, `cancelled` those whose work another request, or a bug in that one, has ended. `failed` are those
    that a bug of ours has kept from ending. `new_conditions` says that a phase, a burst or another plan has begun,
    `new_speed` that tokens are due at other times than before.
    """

    started: list[Ticket] = field(default_factory=list)
    ended: list[Ticket] = field(default_factory=list)
    cancelled: list[Ticket] = field(default_factory=list)
    failed: list[tuple[Ticket, Exception]] = field(default_factory=list)
    new_conditions: bool = False
    new_speed: bool = False


class Schedule:
    """The ends of all slots that are taken, soonest first; equal ones in order of their start.

    `happened` collects what `take` gives next; `unheard` says that there is something. An entry of the heap counts
    only while its time is the ticket's `slot_ends_s`, so a ticket is removed, or moved, without a search.
    """

    __slots__ = ("_dropped", "_heap", "_number", "_outdated", "happened", "unheard")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Ticket]] = []
        self._number = 0
        self._dropped = 0
        self._outdated = False
        self.happened = Happened()
        self.unheard = False

    def add(self, ticket: Ticket) -> None:
        """Note when the slot of a running ticket ends; also again, after that has changed."""
        at = ticket.slot_end()
        if at != ticket.slot_ends_s:
            self._drop(ticket)
            ticket.slot_ends_s = at
            if at < math.inf:
                self._number += 1
                heapq.heappush(self._heap, (at, self._number, ticket))

    def remove(self, ticket: Ticket) -> None:
        """Forget a ticket whose work is over."""
        self._drop(ticket)
        ticket.slot_ends_s = math.inf

    def _drop(self, ticket: Ticket) -> None:
        """Count an entry that no longer counts. Many of those would keep their tickets in memory for long."""
        if ticket.slot_ends_s < math.inf:
            self._dropped += 1
            if 2 * self._dropped > len(self._heap):
                self._outdated = True

    def speed_changed(self) -> None:
        """Note that a region's speed has changed, so that its slots end at other times."""
        self._outdated = self.unheard = self.happened.new_speed = True

    def conditions_changed(self) -> None:
        """Note that a phase, a burst or another plan has begun."""
        self._outdated = self.unheard = self.happened.new_conditions = True

    def may_start(self, tickets: list[Ticket]) -> None:
        """Note tickets that have been granted their slots."""
        if tickets:
            self.happened.started += tickets
            self.unheard = True

    def cancelled(self, *tickets: Ticket) -> None:
        """Note tickets whose work has ended with, or by, another request."""
        if tickets:
            self.happened.cancelled += tickets
            self.unheard = True

    def next_end(self) -> float:
        """Return when the next slot ends at the present speed; `inf` if none does."""
        if self._outdated:
            self._compute_anew()
        heap = self._heap
        while heap and heap[0][0] != heap[0][2].slot_ends_s:
            heapq.heappop(heap)
            self._dropped -= 1
        return heap[0][0] if heap else math.inf

    def take_due(self, now: float) -> Ticket | None:
        """Remove and return the next ticket whose slot ends by `now`; None if none does."""
        if self.next_end() > now:
            return None
        ticket = heapq.heappop(self._heap)[2]
        ticket.slot_ends_s = math.inf
        return ticket

    def take(self) -> Happened:
        """Return what has happened since the last call."""
        happened = self.happened
        self.happened = Happened()
        self.unheard = False
        return happened

    def _compute_anew(self) -> None:
        """Compute all ends anew, for the present speed. Without entries that no longer count."""
        heap = []
        for at, number, ticket in self._heap:
            if at == ticket.slot_ends_s:
                ticket.slot_ends_s = ticket.slot_end()
                heap.append((ticket.slot_ends_s, number, ticket))
        heapq.heapify(heap)
        self._heap = heap
        self._dropped = 0
        self._outdated = False
