"""Chance as an argument: a stream of numbers that is a hash of its key and of nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import shake_128
from typing import Final, TypeVar

_T = TypeVar("_T")
_BLOCK: Final = 512


class Draws:
    """Draws in order: the same key gives the same draws, on any machine and in any process.

    For the contents of answers, where one value needs many draws. Modulo bias is below 2**-40 for the ranges
    that occur and is accepted.
    """

    __slots__ = ("_at", "_block", "_key", "_stream")

    def __init__(self, key: str) -> None:
        self._key = key
        self._block = 0
        self._at = 0
        self._stream = b""

    def raw(self, size: int) -> bytes:
        """The next `size` bytes (at most a block of 512)."""
        if self._at + size > len(self._stream):
            self._stream = shake_128(f"{self._key}/{self._block}".encode()).digest(_BLOCK)
            self._block += 1
            self._at = 0
        start = self._at
        self._at = start + size
        return self._stream[start : self._at]

    def below(self, bound: int) -> int:
        """A whole number in [0, bound)."""
        size = 6 if bound <= 256 else 6 + bound.bit_length() // 8
        return int.from_bytes(self.raw(size), "big") % bound

    def between(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        return low + self.below(high - low + 1)

    def unit(self) -> float:
        """A number in [0, 1)."""
        return int.from_bytes(self.raw(6), "big") / 2**48

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.unit() < probability

    def pick(self, items: Sequence[_T]) -> _T:
        """One of `items`, which must not be empty."""
        return items[self.below(len(items))]
