"""The served records: one row per request that arrived, written when both its wire and its work are over; and the
connections, one row each, written when they are closed.

Times are seconds from t0 on the monotonic clock, negative during warm-up. Keys are only ever recorded as
hashes, and bodies not at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from windtunnel.mock_server.journal.columns import SERVED_NAMES

if TYPE_CHECKING:
    from windtunnel.mock_server.journal.segments import SegmentWriter

REMEMBERED_ROWS = 10_000
"""Rows kept in memory for the admin API when there is no journal directory."""


class Journal:
    """Takes served rows (tuples in the order of `SERVED_COLUMNS`), and those of connections.

    With a directory they go to the segments `served-<pid>.arrows` and `connections-<pid>.arrows` there; without
    one the last `REMEMBERED_ROWS` served rows stay in memory.
    """

    __slots__ = ("_connections", "_recent", "_writer", "add")

    def __init__(self, directory: Path | None = None) -> None:
        self._recent: deque[tuple[Any, ...]] = deque(maxlen=REMEMBERED_ROWS)
        self._writer: SegmentWriter | None = None
        self.add = self._recent.append
        """Record one row."""
        self._connections: SegmentWriter | None = None
        if directory is not None:
            # pyarrow is not among the core dependencies, and a mock that writes nothing does without it.
            from windtunnel.mock_server.journal.schemas import CONNECTIONS_SCHEMA, SERVED_SCHEMA
            from windtunnel.mock_server.journal.segments import SegmentWriter, segment_path

            self._writer = SegmentWriter(segment_path(directory, "served"), SERVED_SCHEMA)
            self.add = self._writer.add
            self._connections = SegmentWriter(segment_path(directory, "connections"), CONNECTIONS_SCHEMA)

    def add_connection(self, row: tuple[Any, ...]) -> None:
        """Record one connection, in the order of `CONNECTIONS_COLUMNS`; nowhere without a directory."""
        if self._connections:
            self._connections.add(row)

    @property
    def path(self) -> Path | None:
        """The segment that the rows are written to, if they go to disk."""
        return self._writer.path if self._writer else None

    @property
    def _writers(self) -> list[SegmentWriter]:
        return [writer for writer in (self._writer, self._connections) if writer is not None]

    def flush(self) -> None:
        """Hand the rows in memory to the operating system."""
        for writer in self._writers:
            writer.flush()

    def restart(self) -> None:
        """Delete every row so far: later times count from another t0."""
        self._recent.clear()
        for writer in self._writers:
            writer.restart()

    def cut(self) -> tuple[Path, ...]:
        """End the segments and begin new ones; returns those that are complete now. None where rows stay in memory."""
        return tuple([writer.cut() for writer in self._writers])

    def close(self) -> None:
        """Flush and end the segments."""
        for writer in self._writers:
            writer.close()

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the rows that are in memory: none where they go to disk."""
        return list(self._recent)

    def json_lines(self) -> Iterator[bytes]:
        """Return the rows so far as JSON objects, a line each, in pieces of at most a batch."""
        if self._writer is None:
            recent = [dict(zip(SERVED_NAMES, row, strict=True)) for row in self._recent]
            yield from (orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in recent)
            return
        from windtunnel.mock_server.journal.segments import read_batches

        self._writer.flush()
        for batch in read_batches(self._writer.path):
            lines = [orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in batch.to_pylist()]
            yield b"".join(lines)
