"""Arrow IPC stream segments: records that survive the death of the process that writes them.

A segment is `NAME-<pid>.arrows`: a schema message followed by record batches, each handed to the operating
system in one write. A process that is killed loses only the rows that were not flushed; a batch torn by the
kill is skipped by `read_segments`. The caller owns the clock: it calls `flush` every second, and `add`
flushes by itself every `ROWS_PER_BATCH` rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_BATCH = 256
"""Rows that wait in memory at most, and so the most a killed process loses within its last second."""

ROWS_PER_GROUP = 65_536
"""Rows in a Parquet row group, and so the most that `compact` holds in memory."""

_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def segment_path(directory: Path, name: str) -> Path:
    """The path of this process's segment `name` in `directory`: `NAME-<pid>.arrows`.

    A pid that was already used there (after a reboot, say) gets `NAME-<pid>-2.arrows` and so on, so that
    no record is ever overwritten.
    """
    pid = os.getpid()
    path = directory / f"{name}-{pid}.arrows"
    again = 1
    while path.exists():
        again += 1
        path = directory / f"{name}-{pid}-{again}.arrows"
    return path


class SegmentWriter:
    """Appends rows (tuples in the order of the schema's fields) to one segment.

    Raises `OSError` when the segment cannot be written (a full disk); the segment is then cut back to its
    last whole batch and stays readable.
    """

    __slots__ = ("_cuts", "_fd", "_first", "_rows", "_size", "path", "schema")

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = self._first = path
        self.schema = schema
        self._cuts = 0
        self._fd = -1
        self._size = 0
        self._rows: list[tuple[Any, ...]] = []
        self._begin()
        # pyarrow imports pandas, if it is there, at its first conversion: a pause of 0.1 s that belongs here.
        rows_to_batch([(None,) * len(schema)], schema)

    def add(self, row: tuple[Any, ...]) -> None:
        """Add one row; every `ROWS_PER_BATCH` rows are written out at once."""
        rows = self._rows
        rows.append(row)
        if len(rows) >= ROWS_PER_BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand all rows so far to the operating system, as one record batch."""
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        self._write(rows_to_batch(rows, self.schema).serialize().to_pybytes())

    def cut(self) -> Path:
        """End this segment and begin the next one, `NAME-<pid>-cut<n>.arrows`; returns the one that is complete now.

        Who reads or deletes records while they are still being written does it with complete segments.
        """
        complete = self.path
        self.close()
        self._cuts += 1
        self.path = self._first.with_name(f"{self._first.stem}-cut{self._cuts}{self._first.suffix}")
        self._begin()
        return complete

    def restart(self) -> None:
        """Delete every row of this segment, also those on disk, and begin it anew."""
        self._rows.clear()
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self._size = 0
        self._write(self.schema.serialize().to_pybytes())

    def close(self) -> None:
        """Flush, mark the proper end of the stream and close the file. Closing twice is fine."""
        if self._fd < 0:
            return
        try:
            self.flush()
            self._write(_END_OF_STREAM)
        finally:
            os.close(self._fd)
            self._fd = -1

    def _begin(self) -> None:
        self._size = 0
        self._fd = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        self._write(self.schema.serialize().to_pybytes())

    def _write(self, message: bytes) -> None:
        view = memoryview(message)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
            raise
        self._size += len(message)


def rows_to_batch(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """One record batch of `rows`, each a tuple in the order of the schema's fields."""
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The whole batches of one segment, in order; an empty, torn or still growing file just ends early."""
    with path.open("rb") as file:
        try:
            reader = pa.ipc.open_stream(file)
        except (pa.ArrowInvalid, OSError):
            return
        while True:
            try:
                batch = reader.read_next_batch()
            except (StopIteration, pa.ArrowInvalid, OSError):
                return
            yield batch


def read_segments(paths: Iterable[Path], schema: pa.Schema | None = None) -> pa.Table:
    """All rows of the segments, as one table.

    `schema` is what an empty set of segments gives; without it, no readable segment is a `ValueError`.
    """
    sources = sorted(paths)
    batches = [batch for path in sources for batch in read_batches(path)]
    found = schema if schema is not None else _first_schema(sources)
    if found is None:
        raise ValueError("no readable segment, and no schema to make an empty table of")
    return pa.Table.from_batches(batches, schema=batches[0].schema if batches else found)


def compact(paths: Iterable[Path], to: Path, schema: pa.Schema | None = None) -> int:
    """Write the rows of the segments into one Parquet file, atomically, and return how many there are.

    The segments stay. Memory is bounded by `ROWS_PER_GROUP` rows. `schema` as for `read_segments`.
    """
    sources = sorted(paths)
    found = schema if schema is not None else _first_schema(sources)
    if found is None:
        raise ValueError("no readable segment, and no schema to make an empty file of")
    partial = to.with_name(f"{to.name}.partial")
    written = 0
    with pq.ParquetWriter(partial, found, compression="zstd", write_page_checksum=True) as writer:
        for table in _groups(sources, found):
            writer.write_table(table)
            written += table.num_rows
    partial.replace(to)
    return written


def _groups(paths: list[Path], schema: pa.Schema) -> Iterator[pa.Table]:
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for path in paths:
        for batch in read_batches(path):
            waiting.append(batch)
            rows += batch.num_rows
            if rows >= ROWS_PER_GROUP:
                yield pa.Table.from_batches(waiting, schema=schema)
                waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting, schema=schema)


def _first_schema(paths: Iterable[Path]) -> pa.Schema | None:
    for path in sorted(paths):
        with path.open("rb") as file:
            try:
                return pa.ipc.open_stream(file).schema
            except (pa.ArrowInvalid, OSError):
                continue
    return None
