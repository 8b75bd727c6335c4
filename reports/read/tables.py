"""The tables of a cell, and what is damaged in them: a record that cannot be read is said, never passed over.

    NAME.parquet, else NAME-*.arrows ──► read_table ──► pa.Table with the columns of its schema, damages

A cell that was killed ends in a torn batch, which is left out without a word: the cell is partial anyhow. In a cell
that came to its end, whatever cannot be read, and every column that a figure needs and does not find, is a damage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from windtunnel.reports.read.columns import ROWS_AT_ONCE, ColumnCache, ColumnStore, Records

NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "schedule": ("call_id", "intended_s"),
    "calls": (
        "call_id",
        "intended_s",
        "started_s",
        "first_token_s",
        "ended_s",
        "outcome",
        "served_id",
        "digest",
        "stream",
        "wait_budget_s",
        "lateness_cause",
        "limiter_wait_s",
        "gaps_s",
    ),
    "attempts": (
        "call_id",
        "attempt",
        "started_s",
        "sent_s",
        "last_content_s",
        "ended_s",
        "error_type",
    ),
    "served": (
        "served_id",
        "call_id",
        "attempt",
        "client_attempt",
        "arrived_s",
        "started_s",
        "last_byte_s",
        "ended_s",
        "status",
        "faults",
        "region",
        "model",
        "key_hash",
        "connection_request_n",
        "truth_digest",
        "tokens_sent",
        "tokens_billed",
        "prompt_tokens_billed",
        "abandoned",
        "abandoned_at_s",
        "retry_after_promised_s",
        "queue_depth",
        "in_flight",
    ),
    "connections": ("opened_s", "closed_s"),
    "lags": ("source", "process", "at_s", "lag_s", "cpu_s"),
}
"""Without one of these a figure would be wrong in silence. Columns that came later are null in older records."""

ALWAYS_THERE: Final = ("schedule", "calls", "served")
"""Tables that every cell has that came to its end."""


class Damage(NamedTuple):
    """What is wrong with the records of a table, in a sentence that names the file."""

    table: str
    text: str


def read_table(
    folder: Path,
    name: str,
    schema: pa.Schema,
    *,
    finished: bool,
    optional: bool = False,
    columns: Sequence[str] | None = None,
) -> tuple[pa.Table, tuple[Damage, ...]]:
    """The table `name` of a cell, and what is damaged in it, a sentence each.

    Absent: an empty one (without columns, if `optional`). With `columns`, those alone.
    """
    if columns is not None:
        schema = pa.schema([field for field in schema if field.name in columns])
    whole = folder / f"{name}.parquet"
    table, damages = _parquet(whole, columns)
    read_from = whole
    if table is None:
        paths = sorted(folder.glob(f"{name}-*.arrows"))
        batches, torn = [], []
        for path in paths:
            found, error = _batches(path, columns)
            batches += found
            torn += [f"{_place(path)} is cut off or damaged ({error})"] if error else []
        if paths:
            damages = torn if finished else []
            read_from = paths[0]
        elif finished and not damages and name in ALWAYS_THERE:
            damages = [f"{_place(whole)} is not there"]
        if not batches:
            empty = pa.table({}) if optional else schema.empty_table()
            return empty, tuple(Damage(name, text) for text in damages)
        table, refused = _joined(batches, read_from)
        damages += refused
    table, changed = _conformed(table, name, schema, read_from)
    return table, tuple(Damage(name, text) for text in (*damages, *changed))


class ParquetTable:
    """A table in a Parquet file, of which a column is read when it is asked for.

    What turns out to be damaged then is added to `damages`, and the column is null.
    """

    def __init__(self, path: Path, name: str, schema: pa.Schema) -> None:
        self._path, self._name, self._schema = path, name, schema
        with pq.ParquetFile(path) as file:
            self._metadata, self._there = file.metadata, file.schema_arrow
        self.rows: int = self._metadata.num_rows
        self.names: Sequence[str] = list(
            dict.fromkeys([*self._there.names, *(field.name for field in schema)])
        )
        nothing = self._there.empty_table()
        self.damages = [Damage(name, text) for text in _conformed(nothing, name, schema, path)[1]]

    def batches(self, name: str, rows: int = ROWS_AT_ONCE) -> Iterator[pa.Array]:
        """One column, piece by piece, of so many rows at most."""
        there = self._there
        kind = self._schema.field(name).type if name in self._schema.names else there.field(name).type
        if name not in there.names or any(f"'{name}'" in damage.text for damage in self.damages):
            yield pa.nulls(self.rows, kind)
            return
        read = 0
        try:
            with pq.ParquetFile(self._path, metadata=self._metadata, page_checksum_verification=True) as file:
                for group in range(
                    self._metadata.num_row_groups
                ):  # all at once, it would keep what it has read
                    for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=[name]):
                        read += batch.num_rows
                        yield batch.column(0).cast(kind)
        except (pa.ArrowException, OSError) as error:
            text = f"{_place(self._path)}: column '{name}' cannot be read ({_first_line(error)})"
            self.damages.append(Damage(self._name, text))
        if read < self.rows or not read:
            yield pa.nulls(self.rows - read, kind)


def open_table(
    folder: Path, name: str, schema: pa.Schema, *, finished: bool, cache: ColumnCache | None = None
) -> tuple[Records, list[Damage]]:
    """The table `name` of a cell, its columns still unread, and what is damaged in it; that list may yet grow.

    The columns that are read share `cache`, if there is one.
    """
    path = folder / f"{name}.parquet"
    try:
        source = ParquetTable(path, name, schema)
    except (pa.ArrowException, OSError):
        table, damages = read_table(folder, name, schema, finished=finished)
        return Records.of(table), list(damages)
    return Records(ColumnStore(source, source.rows, cache)), source.damages


def rows_of(path: Path, entry: Mapping[str, Any]) -> int:
    """About how many records a cell of a run has, its calls, attempts and served requests, without reading them."""
    folder = path / entry.get("dir", f"cells/{entry.get('client')}-{entry.get('repeat')}")
    rows = 0
    for name in ("calls", "attempts", "served"):
        with suppress(pa.ArrowException, OSError):
            rows += pq.read_metadata(folder / f"{name}.parquet").num_rows
    return rows


def _place(path: Path) -> str:
    """A file of a cell, as people find it in the run directory."""
    return "/".join(path.parts[-3:])


def _parquet(path: Path, columns: Sequence[str] | None) -> tuple[pa.Table | None, list[str]]:
    """The table in a Parquet file, or what is wrong with it; (None, []) if there is none."""
    if not path.exists():
        return None, []
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            kept = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
            return file.read(kept), []
    except (pa.ArrowException, OSError) as error:
        return None, [f"{_place(path)} cannot be read ({_first_line(error)})"]


def _batches(path: Path, columns: Sequence[str] | None) -> tuple[list[pa.RecordBatch], str]:
    """The whole batches of a segment, and why it ends before its end (empty: it does not)."""
    batches: list[pa.RecordBatch] = []
    with path.open("rb") as file:
        try:
            reader = pa.ipc.open_stream(file)
            kept = [name for name in reader.schema.names if columns is None or name in columns]
            while True:
                batches.append(reader.read_next_batch().select(kept))
        except StopIteration:
            ended = file.tell() == path.stat().st_size and has_end_mark(path)
            return batches, "" if ended else "it lacks its end"
        except (pa.ArrowException, OSError) as error:
            return batches, _first_line(error)


def has_end_mark(path: Path) -> bool:
    """Whether a segment was closed: Arrow takes the end of a file for the end of a stream as well."""
    with path.open("rb") as file:
        file.seek(-min(8, path.stat().st_size), 2)
        return file.read() == b"\xff\xff\xff\xff\x00\x00\x00\x00"


def _joined(batches: list[pa.RecordBatch], path: Path) -> tuple[pa.Table, list[str]]:
    """The batches of all segments, in which a column that one of them lacks is null."""
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    try:
        return pa.concat_tables(tables, promote_options="default"), []
    except pa.ArrowException as error:
        alike = [table for table in tables if table.schema.equals(tables[0].schema)]
        return pa.concat_tables(alike), [
            f"{_place(path)} and the segments beside it differ ({_first_line(error)})"
        ]


def _conformed(table: pa.Table, name: str, schema: pa.Schema, path: Path) -> tuple[pa.Table, list[str]]:
    """The table with every column of its schema in its type; what it lacks and what has another type is null."""
    damages = []
    for column in schema:
        missing = pa.nulls(table.num_rows, column.type)
        index = table.schema.get_field_index(column.name)
        if index < 0:
            table = table.append_column(column.name, missing)
            if column.name in NEEDED.get(name, ()):
                damages.append(f"{_place(path)} lacks the column '{column.name}'")
        elif table.schema.field(index).type != column.type:
            found = table.schema.field(index).type
            try:
                if pa.types.is_string(found) != pa.types.is_string(column.type):
                    raise pa.ArrowInvalid("text is no number")
                cast = table.column(index).cast(column.type)
            except pa.ArrowException:
                cast = missing
                damages.append(
                    f"{_place(path)}: column '{column.name}' is of type {found}, expected {column.type}"
                )
            table = table.set_column(index, column.name, cast)
    return table, damages


def _first_line(error: Exception) -> str:
    """Why Arrow could not read, without the path, which is said already."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return said.rpartition("': ")[2].split(". ")[0].rstrip(" .")
