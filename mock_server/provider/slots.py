"""Slots, and the bounded first-come-first-served queue before them."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Place(Enum):
    """Where an arriving item ended up."""

    SLOT = "slot"
    QUEUE = "queue"
    NOWHERE = "nowhere"


class Capacity(Generic[Item]):
    """Items hold slots or wait for one. A free slot and a waiting item never exist at the same time.

    `busy` may exceed `slots` after the number of slots was lowered: work that runs is never pre-empted, and
    nothing new starts until `busy` is below `slots` again.
    """

    __slots__ = ("_waiting", "busy", "queue", "slots")

    def __init__(self, slots: int, queue: int) -> None:
        self.slots = slots
        self.queue = queue
        self.busy = 0
        self._waiting: OrderedDict[Item, None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait in the queue."""
        return len(self._waiting)

    def offers(self) -> Place:
        """Where an item would go if it arrived now."""
        if self.busy < self.slots and not self._waiting:
            return Place.SLOT
        return Place.QUEUE if len(self._waiting) < self.queue else Place.NOWHERE

    def take_slot(self) -> None:
        """Occupy a slot: the caller has seen that there is one."""
        self.busy += 1

    def wait(self, item: Item) -> None:
        """Join the end of the queue: the caller has seen that there is room."""
        self._waiting[item] = None

    def withdraw(self, item: Item) -> None:
        """Leave the queue from wherever in it."""
        del self._waiting[item]

    def release(self) -> None:
        """Give a slot back. Call `grant` afterwards."""
        self.busy -= 1

    def grant(self) -> list[Item]:
        """Give the free slots to those who wait longest, and say to whom."""
        granted: list[Item] = []
        while self._waiting and self.busy < self.slots:
            granted.append(self._waiting.popitem(last=False)[0])
            self.busy += 1
        return granted
