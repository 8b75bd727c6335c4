"""The API's state between requests, by key: stored answers, conversations, files, uploads, batches.

    Store ─► Shelf ─► entries of one key, oldest first; the oldest of all are forgotten when a cap is reached

Every API key has objects of its own, so test suites with different keys do not see each other's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

_E = TypeVar("_E")

MOST_ENTRIES = 2_000
"""Objects on one shelf."""

KEPT_S = 30 * 24 * 3600.0
"""Seconds on the adjustable clock for which responses and chat completions are kept, as OpenAI keeps them."""

MOST_BYTES = 64 * 2**20
"""Bytes on one shelf, as the sizes given to `put` add up."""


SMALL_BYTES = 16_384
"""Bytes on a shelf that need not be looked at one by one."""


@dataclass(frozen=True, slots=True)
class Page(Generic[_E]):
    """One page of a list. `more` says whether there is another one after it."""

    entries: tuple[tuple[str, _E], ...]
    more: bool


class Shelf(Generic[_E]):
    """Objects of one kind, by key and id, in the order in which they were made. Bounded in number and bytes."""

    __slots__ = ("_bytes", "_entries", "_sizes", "most_bytes", "most_entries")

    def __init__(self, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES) -> None:
        self.most_entries = most_entries
        self.most_bytes = most_bytes
        self._entries: OrderedDict[tuple[str, str], _E] = OrderedDict()
        self._sizes: dict[tuple[str, str], int] = {}
        self._bytes = 0

    def put(self, key: str, ident: str, entry: _E, size: int) -> None:
        """Add or replace an object of `size` bytes; the oldest ones are forgotten where a cap is exceeded."""
        place = (key, ident)
        self._bytes += size - self._sizes.get(place, 0)
        self._entries[place] = entry
        self._sizes[place] = size
        while len(self._entries) > self.most_entries or (
            self._bytes > self.most_bytes and len(self._entries) > 1
        ):
            oldest, _ = self._entries.popitem(last=False)
            self._bytes -= self._sizes.pop(oldest)

    def get(self, key: str, ident: str) -> _E | None:
        """An object, or None."""
        return self._entries.get((key, ident))

    def size_of(self, key: str, ident: str) -> int:
        """The bytes of an object, as `put` was told; 0 for none."""
        return self._sizes.get((key, ident), 0)

    def largest(self, key: str, count: int) -> int:
        """The bytes of the `count` largest objects of a key, and so the most that a page of them has."""
        if self._bytes <= SMALL_BYTES:
            return self._bytes
        return sum(sorted([size for (owner, _), size in self._sizes.items() if owner == key])[-count:])

    def delete(self, key: str, ident: str) -> _E | None:
        """Remove an object and return it, or None."""
        entry = self._entries.pop((key, ident), None)
        if entry is not None:
            self._bytes -= self._sizes.pop((key, ident))
        return entry

    def of(self, key: str) -> Iterator[tuple[str, _E]]:
        """The objects of a key with their ids, oldest first."""
        return ((ident, entry) for (owner, ident), entry in self._entries.items() if owner == key)

    def page(
        self,
        key: str,
        *,
        limit: int,
        after: str | None = None,
        before: str | None = None,
        ascending: bool = False,
        where: Callable[[_E], bool] | None = None,
    ) -> Page[_E]:
        """One page of a key's objects; `after` and `before` are ids, exclusive, in the order of the list.

        An id that is not there gives an empty page.
        """
        found = [(ident, entry) for ident, entry in self.of(key) if where is None or where(entry)]
        if not ascending:
            found.reverse()
        ids = [ident for ident, _ in found]
        if after is not None:
            found = found[ids.index(after) + 1 :] if after in ids else []
            ids = [ident for ident, _ in found]
        if before is not None:
            found = found[: ids.index(before)] if before in ids else []
        return Page(tuple(found[:limit]), len(found) > limit)

    def __len__(self) -> int:
        return len(self._entries)


class Store:
    """All stored objects. `skew_s` is how far the adjustable clock of batches and expiries is ahead."""

    def __init__(self) -> None:
        self.skew_s = 0.0
        self.completions: Shelf[Any] = Shelf()
        self.responses: Shelf[Any] = Shelf()
        self.conversations: Shelf[Any] = Shelf()
        self.files: Shelf[Any] = Shelf(most_bytes=256 * 2**20)
        self.uploads: Shelf[Any] = Shelf(most_bytes=128 * 2**20)
        self.batches: Shelf[Any] = Shelf()
        self.made_up: Shelf[str] = Shelf()
        """By an id that named nothing: the own id of the object that was made up for it."""
        self.deleted_models: Shelf[bool] = Shelf()

    def clock(self, now: float) -> float:
        """Return the time on the adjustable clock, by which stored things age; `now` is the engine's."""
        return now + self.skew_s
