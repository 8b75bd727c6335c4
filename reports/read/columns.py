"""Columns of records, loaded when a figure asks for them and let go when memory runs short.

    TableSource (a file, or a table in memory) ──► ColumnStore (a few columns at a time) ──► Records, a part of its rows

Ten million rows of everything would not fit. A column becomes an array: ids a number each, other strings a category,
flags that are null false, lists of names one string with commas between; whole numbers with nulls become floats.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from windtunnel.reports.read.memory import give_back

Ints: TypeAlias = npt.NDArray[np.integer]
Keys: TypeAlias = npt.NDArray[np.uint64]
ColumnArray: TypeAlias = npt.NDArray[Any] | pd.Categorical
Rows: TypeAlias = slice | Ints

IDS: Final = frozenset({"call_id", "served_id", "digest", "truth_digest"})
"""Columns that are only ever compared: each value becomes a number of 64 bits, and null becomes 0.

Up to eight bytes different texts have different numbers; of ten million longer ones two share a number in one run of
four hundred thousand.
"""

CACHE_BYTES: Final = 128 << 20
"""What the stores of a cell keep, all together, of columns that were asked for."""

ROWS_AT_ONCE: Final = 1 << 18

_WORD: Final = 8
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)
_MASKS: Final = np.array([(1 << 8 * n) - 1 for n in range(_WORD + 1)], dtype=np.uint64)


class TableSource(Protocol):
    """Where the columns of a table come from."""

    @property
    def names(self) -> Sequence[str]: ...

    def batches(self, name: str, rows: int = ...) -> Iterator[pa.Array]:
        """One column, piece by piece, of so many rows at most."""
        ...


class MemoryTable:
    """A table that is in memory."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.names: Sequence[str] = table.column_names

    def batches(self, name: str, rows: int = ROWS_AT_ONCE) -> Iterator[pa.Array]:
        """One column, piece by piece, of so many rows at most."""
        for chunk in self._table[name].chunks:
            for first in range(0, len(chunk), rows) if len(chunk) else [0]:
                yield chunk.slice(first, rows)


def column_of(name: str, pieces: Iterator[pa.Array]) -> ColumnArray:
    """The pieces of a column as one array."""
    if name in IDS:
        return _joined([keys_of(piece) for piece in pieces], np.uint64)
    pieces = (_plain(piece) for piece in pieces)
    first = next(pieces, None)
    if first is None:
        return np.zeros(0)
    if pa.types.is_string(first.type):
        return _categories(first, pieces)
    return _numbers(first, pieces)


def _plain(piece: pa.Array) -> pa.Array:
    if pa.types.is_boolean(piece.type):
        return pc.fill_null(piece, False)
    if pa.types.is_list(piece.type):
        return pc.fill_null(pc.binary_join(piece, ","), "")
    return piece


def _joined(parts: list[npt.NDArray[Any]], kind: type) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=kind)


def _numbers(first: pa.Array, rest: Iterator[pa.Array]) -> npt.NDArray[Any]:
    parts = [piece.to_numpy(zero_copy_only=False) for piece in (first, *rest)]
    return np.concatenate(parts)


def _categories(first: pa.Array, rest: Iterator[pa.Array]) -> pd.Categorical:
    """A column of few different strings as a category; null has the code -1."""
    numbers: dict[str, int] = {"": 0}  # always there, so that a null can be taken for it
    parts = []
    for piece in (first, *rest):
        encoded = piece.dictionary_encode()
        names = encoded.dictionary.to_pylist()
        here = np.array([numbers.setdefault(name, len(numbers)) for name in names] + [-1], dtype=np.int32)
        codes = pc.fill_null(encoded.indices, len(names)).to_numpy(zero_copy_only=False)
        parts.append(_narrow(here[codes], len(numbers)))
    names = list(numbers)
    order = np.argsort(np.array(names, dtype=object), kind="stable")
    rank = np.empty(len(names) + 1, dtype=np.int32)
    rank[order] = np.arange(len(names))
    rank[-1] = -1
    codes = rank[np.concatenate(parts)] if parts else rank[:0]
    return pd.Categorical.from_codes(
        _narrow(codes, len(names)), pd.Index([names[i] for i in order], dtype=object)
    )


def _narrow(codes: Ints, count: int) -> Ints:
    """The same codes in as few bytes as they need."""
    return codes.astype(np.int8 if count < 2**7 else np.int16 if count < 2**15 else np.int32)


def keys_of(texts: pa.Array) -> Keys:
    """A number for each text, the same for the same text; 0 for null."""
    plain = texts.cast(pa.large_binary()) if not pa.types.is_large_binary(texts.type) else texts
    _, offsets, data = plain.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64, count=len(plain) + 1, offset=8 * plain.offset)
    first, length = bounds[:-1], np.diff(bounds)
    begin, end = (int(bounds[0]), int(bounds[-1])) if len(bounds) else (0, 0)
    inside = np.zeros(end - begin + 2 * _WORD, dtype=np.uint8)
    if end > begin:
        inside[: end - begin] = np.frombuffer(data, dtype=np.uint8, count=end - begin, offset=begin)
    words = np.ndarray((len(inside) - _WORD + 1,), dtype="<u8", buffer=inside.data, strides=(1,))
    keys = (length.astype(np.uint64) + np.uint64(1)) * _ODD
    for at in range(0, int(length.max(initial=0)) or 1, _WORD):
        left = np.clip(length - at, 0, _WORD)
        more = left > 0
        word = words[np.where(more, first - begin + at, 0)] & _MASKS[left]
        mixed = (keys ^ word) * _ODD
        keys = np.where(more, mixed ^ (mixed >> _HALF), keys)
    keys[keys == 0] = 1
    if plain.null_count:
        keys[~np.asarray(plain.is_valid())] = 0
    return keys


def nothing(kind: pa.DataType, rows: int) -> ColumnArray:
    """A column in which every value is null."""
    return column_of("", iter([pa.nulls(rows, kind)]))


class ColumnCache:
    """Columns that were asked for, of all stores of a cell: those asked for last are kept."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, str], ColumnArray] = OrderedDict()

    def get(self, owner: object, name: str) -> ColumnArray | None:
        """A column of `owner`, if it is still there."""
        found = self._kept.get((owner, name))
        if found is not None:
            self._kept.move_to_end((owner, name))
        return found

    def keep(self, owner: object, name: str, column: ColumnArray) -> None:
        """Keep a column; those not asked for the longest go, if there are too many."""
        self._kept[owner, name] = column
        while len(self._kept) > 1 and sum(one.nbytes for one in self._kept.values()) > CACHE_BYTES:
            self._kept.popitem(last=False)

    def forget(self, owner: object) -> None:
        """Let go of the columns of `owner`."""
        for key in [key for key in self._kept if key[0] is owner]:
            del self._kept[key]


class ColumnStore:
    """The columns of one table, in one order of its rows."""

    def __init__(self, source: TableSource, rows: int, cache: ColumnCache | None = None) -> None:
        self._source = source
        self.rows = rows
        self._own: dict[str, ColumnArray] = {}
        self._order: Ints | None = None
        self._cache = ColumnCache() if cache is None else cache
        self._token = object()  # not the store itself: its columns would keep it alive

    @property
    def names(self) -> list[str]:
        return [*self._own, *(name for name in self._source.names if name not in self._own)]

    def column(self, name: str) -> ColumnArray:
        """A column, all of its rows."""
        if name in self._own:
            return self._own[name]
        if name not in self._source.names:
            raise KeyError(name)
        kept = self._cache.get(self._token, name)
        if kept is not None:
            return kept
        column = column_of(name, self._source.batches(name))
        column = column if self._order is None else column[self._order]
        self._cache.keep(self._token, name, column)
        return column

    def pieces(self, name: str, rows: int = ROWS_AT_ONCE) -> Iterator[pa.Array]:
        """A column as it is recorded, in pieces of so many rows at most."""
        return self._source.batches(name, rows)

    def ordered(self, order: Ints | None, own: Mapping[str, ColumnArray]) -> ColumnStore:
        """The same table with its rows in another order (null: in this one), and with columns of its own."""
        self.forget()
        store = ColumnStore(self._source, self.rows, self._cache)
        store._order = order
        store._own = dict(own)
        return store

    def forget(self) -> None:
        """Let go of what can be loaded again."""
        self._cache.forget(self._token)
        give_back()


class Records:
    """Some rows of a table: asked for columns as a frame is, it loads those and no others."""

    def __init__(self, store: ColumnStore, rows: Rows | None = None) -> None:
        self.store = store
        self._rows = slice(0, store.rows) if rows is None else rows

    @classmethod
    def of(cls, table: pa.Table) -> Records:
        """Of a table in memory."""
        return cls(ColumnStore(MemoryTable(table), table.num_rows))

    @property
    def columns(self) -> list[str]:
        return self.store.names

    @property
    def index(self) -> pd.Index[Any]:
        """The position of each row in the whole table."""
        rows = self._rows
        return pd.RangeIndex(rows.start, rows.stop) if isinstance(rows, slice) else pd.Index(rows)

    @property
    def empty(self) -> bool:
        return len(self) == 0

    def __len__(self) -> int:
        rows = self._rows
        return rows.stop - rows.start if isinstance(rows, slice) else len(rows)

    def __contains__(self, name: object) -> bool:
        return name in self.store.names

    def array(self, name: str) -> ColumnArray:
        """A column as an array."""
        return self.store.column(name)[self._rows]

    @overload
    def __getitem__(self, what: str) -> pd.Series[Any]: ...
    @overload
    def __getitem__(self, what: list[str]) -> pd.DataFrame: ...
    @overload
    def __getitem__(self, what: pd.Series[bool] | npt.NDArray[np.bool_]) -> Records: ...
    def __getitem__(self, what: Any) -> Any:
        if isinstance(what, str):
            return pd.Series(self.array(what), index=self.index, name=what, copy=False)
        if isinstance(what, list):
            return self.frame(what)
        return self.part(np.asarray(what, dtype=bool))

    def frame(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        """The columns of these names, or all of them, as a frame."""
        chosen = self.columns if names is None else names
        return pd.DataFrame({name: self.array(name) for name in chosen}, index=self.index, copy=False)

    def part(self, chosen: npt.NDArray[np.bool_]) -> Records:
        """Those of its rows that are chosen; rows that lie side by side are not copied."""
        where = np.flatnonzero(chosen)
        if not isinstance(self._rows, slice):
            return Records(self.store, self._rows[where])
        start = int(self._rows.start)
        if len(where) and where[-1] - where[0] + 1 == len(where):
            return Records(self.store, slice(start + int(where[0]), start + int(where[-1]) + 1))
        return Records(self.store, where + start)

    def at(self, positions: Ints, names: Sequence[str]) -> pd.DataFrame:
        """Columns of rows of the whole table."""
        return Records(self.store, positions).frame(names)

    def assign(self, **columns: Any) -> pd.DataFrame:
        """All columns and these, as a frame: for tables that are known to be small."""
        return self.frame().assign(**columns)


def positions(of: Keys, within: pd.Index[Any]) -> Ints:
    """For each key of `of` its position in `within`, whose keys differ; -1 where it is null or not there."""
    found = within.get_indexer(pd.Index(of)) if len(within) else np.full(len(of), -1)
    found = found.astype(np.int32)
    found[of == 0] = -1
    return found


def marked(column: ColumnArray, pattern: str) -> npt.NDArray[np.bool_]:
    """Which texts of a column hold the pattern: each different text is looked at once."""
    if not isinstance(column, pd.Categorical):
        return np.zeros(len(column), dtype=bool)
    found = [re.search(pattern, str(text)) is not None for text in column.categories]
    marks = np.array([*found, False])
    return np.asarray(marks[column.codes], dtype=bool)


def taken(column: ColumnArray, rows: Ints) -> ColumnArray:
    """The values at these rows; null, or false, where a row is -1."""
    missing = rows < 0
    if isinstance(column, pd.Categorical):
        return column.take(rows, allow_fill=True)
    if not len(column):
        kept = column.dtype in (bool, np.uint64)
        return np.zeros(len(rows), dtype=column.dtype) if kept else np.full(len(rows), np.nan)
    found = column[rows]
    if not missing.any():
        return found
    if found.dtype == bool or found.dtype == np.uint64:
        found[missing] = 0
        return found
    found = found.astype(float)
    found[missing] = np.nan
    return found
