"""Slots, and the bounded first-come-first-served queue before them."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum
from typing import Generic, TypeVar

Item = TypeVar("Item")


class QueuePlace(Enum):
    """Where an arriving item goes: into a slot, into the queue, or away."""

    SLOT = "slot"
    QUEUE = "queue"
    NOWHERE = "nowhere"


class Slots(Generic[Item]):
    """Items hold slots or wait for one. A free slot and a waiting item never exist at the same time.

    `busy` may exceed `total` after `total` was lowered: work that runs is never pre-empted, and nothing new starts
    until `busy` is below `total` again.
    """

    __slots__ = ("_waiting", "busy", "queue_size", "total")

    def __init__(self, total: int, queue_size: int) -> None:
        self.total = total
        self.queue_size = queue_size
        self.busy = 0
        self._waiting: OrderedDict[Item, None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """The number of items in the queue."""
        return len(self._waiting)

    def place_for_next(self) -> QueuePlace:
        """Return where an item would go if it arrived now."""
        # While items wait, the next one waits behind them, even if a slot is free for the moment.
        if self.busy < self.total and not self._waiting:
            return QueuePlace.SLOT
        return QueuePlace.QUEUE if len(self._waiting) < self.queue_size else QueuePlace.NOWHERE

    def take_slot(self) -> None:
        """Occupy a slot. The caller has checked that there is one."""
        self.busy += 1

    def wait(self, item: Item) -> None:
        """Append an item to the queue. The caller has checked that there is room."""
        self._waiting[item] = None

    def withdraw(self, item: Item) -> None:
        """Remove an item from the queue, wherever in it it stands."""
        del self._waiting[item]

    def release(self) -> None:
        """Give a slot back. Call `grant` afterwards."""
        self.busy -= 1

    def grant(self) -> list[Item]:
        """Give the free slots to the items that wait longest; return those items."""
        granted: list[Item] = []
        while self._waiting and self.busy < self.total:
            granted.append(self._waiting.popitem(last=False)[0])
            self.busy += 1
        return granted
