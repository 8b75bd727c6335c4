"""The search itself: where along a row of releases a value changes, with few releases tried.

A part of the row whose two ends agree is left alone, so what changed and changed back inside of it is not found. A part
whose ends differ is halved, and both halves are looked at: so several changes are found, each in about log2 of the row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Change:
    """Between these two releases, by their places, the value changed; `broken` ones between them cannot be tried.

    `open` is how many between them were not tried since the search was at its limit. `small`: none of the parts differs
    enough by itself, and this is the one that differs most.
    """

    before: int
    after: int
    broken: tuple[int, ...] = ()
    open: int = 0
    small: bool = False


class BrokenReleaseError(Exception):
    """A release that cannot be tried; the message says why."""


@dataclass(frozen=True, slots=True)
class Found(Generic[Value]):
    """What a search came to: the changes from the oldest on, what was seen by place, and what could not be tried."""

    changes: tuple[Change, ...]
    seen: dict[int, Value]
    broken: dict[int, str]


class Search(Generic[Value]):
    """A search over the places 0 to `count` - 1.

    `look` gives the value of a place, and raises BrokenReleaseError if it has none. `distance` of two values is above 1
    where they differ. `most`: how many places are looked at, the two ends included.
    """

    def __init__(
        self,
        count: int,
        look: Callable[[int], Value],
        distance: Callable[[Value, Value], float],
        *,
        most: int,
    ) -> None:
        self._count = count
        self._look = look
        self._distance = distance
        self._most = most
        self._seen: dict[int, Value] = {}
        self._broken: dict[int, str] = {}

    def run(self) -> Found[Value]:
        """Search. Raises BrokenReleaseError if an end of the row cannot be tried."""
        last = self._count - 1
        for end in (0, last):
            self._seen[end] = self._look(end)
        changes = self._inside(0, last, small=False) if self._differ(0, last) else []
        return Found(tuple(changes), dict(self._seen), dict(self._broken))

    @property
    def tried(self) -> int:
        """How many places have been looked at."""
        return len(self._seen) + len(self._broken)

    def _differ(self, low: int, high: int) -> bool:
        return self._distance(self._seen[low], self._seen[high]) > 1

    def _inside(self, low: int, high: int, *, small: bool) -> list[Change]:
        """The changes in a part whose ends differ."""
        middle = self._middle(low, high)
        if middle is None:
            between = range(low + 1, high)
            broken = tuple(place for place in between if place in self._broken)
            return [Change(low, high, broken, len(between) - len(broken), small)]
        halves = [(low, middle), (middle, high)]
        changed = [half for half in halves if self._differ(*half)]
        # Neither may differ enough where the whole does: then the change goes in steps, and the larger one is followed.
        gradual = not changed
        if gradual:
            changed = [max(halves, key=lambda half: self._distance(*(self._seen[end] for end in half)))]
        return [one for half in changed for one in self._inside(*half, small=small or gradual)]

    def _middle(self, low: int, high: int) -> int | None:
        """A place between that can be tried, as near to the middle as there is one; None if no other may be tried."""
        middle = (low + high) // 2
        for place in sorted(range(low + 1, high), key=lambda place: (abs(place - middle), place)):
            if place in self._broken:
                continue
            if self.tried >= self._most:
                return None
            try:
                self._seen[place] = self._look(place)
            except BrokenReleaseError as error:
                self._broken[place] = str(error)
                continue
            return place
        return None
