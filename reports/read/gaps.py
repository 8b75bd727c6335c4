"""Quantiles of the pauses between contents. There may be hundreds for each call, so they are counted and never held.

    gaps_s, piece by piece ──► counts by the upper half of the bits ──► which 65,536th each rank lies in
                           ──► there, counts by the lower half       ──► the value of each rank, exactly

The bits of a float, taken as a number, are in the order of the floats, once those of negative ones are turned round.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from windtunnel.reports.read.columns import Ints, Records

Keys: TypeAlias = npt.NDArray[np.uint32]
Counts: TypeAlias = npt.NDArray[np.int64]

HALF: Final = 16
SIZE: Final = 1 << HALF
VALUES_AT_ONCE: Final = 1 << 20
ROWS_AT_ONCE: Final = 1 << 14
SLOTS_AT_ONCE: Final = 64
"""So many 65,536ths are counted in one go, 32 MiB of counts."""

_SIGN: Final = np.uint32(1 << 31)
_LOWER: Final = np.uint32(SIZE - 1)


class Gaps:
    """The pauses of the calls of each group (a phase, say), and of all groups together (None)."""

    def __init__(self, rows: Records, row_of: Ints, group_of: Ints) -> None:
        """`row_of`: the row of each call in `rows`, -1 without one; `group_of`: its group, -1 for none."""
        self._rows, self._row_of, self._group_of = rows, row_of, group_of
        self._found: dict[tuple[float, ...], dict[int | None, dict[float, float]]] = {}

    def quantiles(self, points: Sequence[float], group: int | None = None) -> Mapping[float, float]:
        """The value at each of the points, between 0 and 1, interpolated between ranks; empty without any pause."""
        wanted = tuple(points)
        if wanted not in self._found:
            self._found[wanted] = self._quantiles(wanted)
        return self._found[wanted].get(group, {})

    def _quantiles(self, points: tuple[float, ...]) -> dict[int | None, dict[float, float]]:
        groups = 1 + int(self._group_of.max(initial=-1))
        upper = np.zeros((groups + 1, SIZE), dtype=np.int64)  # the last row is all of them
        for group, key in self._pieces():
            np.add.at(upper.reshape(-1), group.astype(np.int64) << HALF | key >> HALF, 1)
        upper[groups] = upper[:groups].sum(axis=0)
        ranks = [_ranks(int(counts.sum()), points) for counts in upper]
        slots = sorted(
            {(row, _place(upper[row], rank)[0]) for row, those in enumerate(ranks) for rank in those}
        )
        lower: dict[tuple[int, int], Counts] = {}
        for first, last in pairwise([*range(0, len(slots), SLOTS_AT_ONCE), len(slots)]):
            lower |= self._lower(slots[first:last], groups)

        def value(row: int, rank: int) -> float:
            high, rest = _place(upper[row], rank)
            return _float(high << HALF | _place(lower[row, high], rest)[0])

        found: dict[int | None, dict[float, float]] = {}
        for row, counts in enumerate(upper):
            values = {rank: value(row, rank) for rank in ranks[row]}
            found[None if row == groups else row] = _interpolated(values, int(counts.sum()), points)
        return found

    def _lower(self, slots: Sequence[tuple[int, int]], groups: int) -> dict[tuple[int, int], Counts]:
        """How often each lower half occurs, for each (group, upper half) of `slots`."""
        slot_of = np.full((groups + 1, SIZE), -1, dtype=np.int32)
        for number, place in enumerate(slots):
            slot_of[place] = number
        counts = np.zeros((len(slots), SIZE), dtype=np.int64)
        for group, key in self._pieces():
            high = (key >> HALF).astype(np.int64)
            for slot in (slot_of[group, high], slot_of[groups, high]):
                inside = slot >= 0
                np.add.at(counts.reshape(-1), slot[inside].astype(np.int64) << HALF | key[inside] & _LOWER, 1)
        return dict(zip(slots, counts, strict=True))

    def _pieces(self) -> Iterator[tuple[Ints, Keys]]:
        """Of every pause that belongs to a group: its group, and its key."""
        group_of = np.full(len(self._rows), -1, dtype=np.int32)
        there = self._row_of >= 0
        group_of[self._row_of[there]] = self._group_of[there]
        first = 0
        for lists in self._rows.store.pieces("gaps_s", ROWS_AT_ONCE):
            of_each = group_of[first : first + len(lists)]
            first += len(lists)
            values, lengths = _flat(lists)
            group = np.repeat(of_each, lengths)
            for at in range(0, len(values), VALUES_AT_ONCE):
                some, whose = values[at : at + VALUES_AT_ONCE], group[at : at + VALUES_AT_ONCE]
                counted = (whose >= 0) & ~np.isnan(some)
                yield whose[counted], keys_of(some[counted])


def _flat(lists: pa.Array) -> tuple[npt.NDArray[np.float32], Ints]:
    """The values of lists one behind the other, and how many there are in each."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return np.asarray(lists.flatten(), dtype=np.float32), lengths


def keys_of(values: npt.NDArray[np.float32]) -> Keys:
    """Numbers in the order of the values."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _float(key: int) -> float:
    bits = key ^ int(_SIGN) if key & int(_SIGN) else ~key & 0xFFFFFFFF
    return float(np.array(bits, dtype=np.uint32).view(np.float32))


def _ranks(count: int, points: Sequence[float]) -> set[int]:
    """The ranks between which the points lie."""
    if not count:
        return set()
    return {end((count - 1) * point) for point in points for end in (math.floor, math.ceil)}


def _place(counts: Counts, rank: int) -> tuple[int, int]:
    """The bin in which the value of that rank lies, and its rank inside of it."""
    until = np.cumsum(counts)
    place = int(np.searchsorted(until, rank, side="right"))
    return place, rank - int(until[place] - counts[place])


def _interpolated(values: Mapping[int, float], count: int, points: Sequence[float]) -> dict[float, float]:
    found = {}
    for point in points if count else ():
        rank = (count - 1) * point
        ends: Any = [values[math.floor(rank)], values[math.ceil(rank)]]
        found[point] = float(np.quantile(np.array(ends, dtype=np.float64), rank - math.floor(rank)))
    return found
