"""The served records: one row per request that arrived, written when both its wire and its work are over; and the
connections, one row each, written when they are closed.

Times are seconds from t0 on the monotonic clock, negative during warm-up. Keys are only ever recorded as
hashes, and bodies not at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from windtunnel.mock_server.journal.segments import SegmentWriter, read_batches, segment_path

_FIELDS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("served_id", pa.string(), "the answer's id, also sent as x-windtunnel-served"),
    ("call_id", pa.string(), "the client's call id, or the inferred one"),
    ("attempt", pa.int32(), "the server's own ordinal of requests with that call id, from 0"),
    ("client_attempt", pa.int32(), "what x-windtunnel-attempt said"),
    ("sdk_retry_count", pa.int32(), "what x-stainless-retry-count said"),
    ("identity", pa.string(), "header: the call id was sent; inferred: the server made it up"),
    ("arrived_s", pa.float64(), "the request was read completely"),
    ("started_s", pa.float64(), "a slot was taken; null if none was"),
    ("first_byte_s", pa.float64(), "the first byte of the answer was written"),
    ("last_byte_s", pa.float64(), "the last byte of the answer was written"),
    ("ended_s", pa.float64(), "both the wire and the slot's work were over"),
    ("status", pa.int32(), "the status sent; null if no head was sent"),
    ("faults", pa.list_(pa.string()), "names of the faults that acted on the answer"),
    ("fault_declared", pa.string(), "what x-windtunnel-fault asked for"),
    ("region", pa.string(), "the region that was called"),
    ("model", pa.string(), "the model that was asked for"),
    ("api", pa.string(), "the family of endpoints: chat, responses, embeddings, files, …"),
    ("stream", pa.bool_(), "a streamed answer was asked for"),
    ("key_hash", pa.string(), "hash of the bearer key"),
    ("connection_id", pa.int64(), "number of the connection within the server"),
    ("connection_request_n", pa.int32(), "number of the request on its connection, from 0"),
    ("http_version", pa.string(), "1.0 or 1.1"),
    ("truth_digest", pa.string(), "digest of the healthy answer; null if there was none"),
    ("tokens_planned", pa.int32(), "tokens of the healthy answer"),
    ("tokens_sent", pa.int32(), "tokens in the bytes that were written"),
    ("tokens_billed", pa.int32(), "output tokens billed"),
    ("prompt_tokens_billed", pa.int32(), "prompt tokens billed"),
    ("abandoned", pa.bool_(), "the client left before the answer was complete"),
    ("abandoned_at_s", pa.float64(), "when that was seen"),
    ("retry_after_promised_s", pa.float64(), "the wait that a refusal promised"),
    ("came_back_early", pa.bool_(), "this attempt came before an earlier promise was over"),
    ("queue_depth", pa.int32(), "requests queued in the region at arrival, without this one"),
    ("in_flight", pa.int32(), "slots busy in the region at arrival"),
    ("user_agent", pa.string(), "the client's User-Agent"),
    ("sdk_version", pa.string(), "what x-stainless-package-version said"),
    ("phase_index", pa.int32(), "index of the plan's phase at arrival"),
    ("prompt_tokens", pa.int32(), "prompt tokens of the request"),
    ("rtt_s", pa.float64(), "the round trip drawn for the attempt; half of it lies on either side"),
    ("bytes_sent", pa.int64(), "bytes written, head and framing included"),
    (
        "ending",
        pa.string(),
        "how the wire ended: end, close, abort, left (the client), cut (the server stopped) or failed (a bug)",
    ),
    (
        "effects",
        pa.int32(),
        "1 where the request did something (generated an answer, changed an object), else 0",
    ),
    (
        "idempotent_replay",
        pa.bool_(),
        "the answer of an earlier request with its Idempotency-Key was repeated",
    ),
    ("plan", pa.string(), "name of the plan that the request was under"),
    ("process", pa.int32(), "pid of the server process"),
)

SERVED_SCHEMA: pa.Schema = pa.schema(
    [pa.field(name, kind, metadata={"about": about}) for name, kind, about in _FIELDS]
)

CONNECTIONS_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field(
            "connection_id", pa.int64(), metadata={"about": "number of the connection within the server"}
        ),
        pa.field("region", pa.string(), metadata={"about": "the region that was called"}),
        pa.field("opened_s", pa.float64(), metadata={"about": "when it was accepted"}),
        pa.field(
            "closed_s", pa.float64(), metadata={"about": "when it was over; null: open when the server ended"}
        ),
    ]
)

LAG_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("source", pa.string(), metadata={"about": "server, hub or loop"}),
        pa.field("process", pa.int32(), metadata={"about": "pid"}),
        pa.field("at_s", pa.float64(), metadata={"about": "when the sample was due"}),
        pa.field("lag_s", pa.float64(), metadata={"about": "how late it was taken"}),
        pa.field("cpu_s", pa.float64(), metadata={"about": "CPU seconds of the process so far"}),
    ]
)

REMEMBERED_ROWS = 10_000
"""Rows kept in memory for the admin API when there is no journal directory."""


class Journal:
    """Takes served rows (tuples in the order of `SERVED_SCHEMA`), and those of connections.

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
            self._writer = SegmentWriter(segment_path(directory, "served"), SERVED_SCHEMA)
            self.add = self._writer.add
            self._connections = SegmentWriter(segment_path(directory, "connections"), CONNECTIONS_SCHEMA)

    def add_connection(self, row: tuple[Any, ...]) -> None:
        """Record one connection, in the order of `CONNECTIONS_SCHEMA`; nowhere without a directory."""
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

    def close(self) -> None:
        """Flush and end the segments."""
        for writer in self._writers:
            writer.close()

    def json_lines(self) -> Iterator[bytes]:
        """Return the rows so far as JSON objects, a line each, in pieces of at most a batch."""
        names = SERVED_SCHEMA.names
        if self._writer is None:
            recent = [dict(zip(names, row, strict=True)) for row in self._recent]
            yield from (orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in recent)
            return
        self._writer.flush()
        for batch in read_batches(self._writer.path):
            lines = [orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in batch.to_pylist()]
            yield b"".join(lines)
