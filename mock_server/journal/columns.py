"""The columns of the records, as plain tables: what the mock needs of them without pyarrow.

A mock that keeps its records in memory, as `serve` does without `--journal`, names and describes them from here. What
writes them to disk makes an Arrow schema of them (`schemas.py`).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

ValueKind = Literal["string", "strings", "int32", "int64", "float64", "bool"]
"""The type of a column's values; `strings` is a list of strings."""


class Column(NamedTuple):
    """One column of a table of records."""

    name: str
    kind: ValueKind
    about: str


SERVED_COLUMNS: tuple[Column, ...] = (
    Column("served_id", "string", "the answer's id, also sent as x-windtunnel-served"),
    Column("call_id", "string", "the client's call id, or the inferred one"),
    Column("attempt", "int32", "the server's own ordinal of requests with that call id and step, from 0"),
    Column("client_attempt", "int32", "what x-windtunnel-attempt said"),
    Column("sdk_retry_count", "int32", "what x-stainless-retry-count said"),
    Column("identity", "string", "header: the call id was sent; inferred: the server made it up"),
    Column("arrived_s", "float64", "the request was read completely"),
    Column("started_s", "float64", "a slot was taken; null if none was"),
    Column("first_byte_s", "float64", "the first byte of the answer was written"),
    Column("last_byte_s", "float64", "the last byte of the answer was written"),
    Column("ended_s", "float64", "both the wire and the slot's work were over"),
    Column("status", "int32", "the status sent; null if no head was sent"),
    Column("faults", "strings", "names of the faults that acted on the answer"),
    Column("fault_declared", "string", "what x-windtunnel-fault asked for"),
    Column("region", "string", "the region that was called"),
    Column("model", "string", "the model that was asked for"),
    Column("api", "string", "the family of endpoints: chat, responses, embeddings, files, …"),
    Column("stream", "bool", "a streamed answer was asked for"),
    Column("key_hash", "string", "hash of the bearer key"),
    Column("connection_id", "int64", "number of the connection within the server"),
    Column("connection_request_n", "int32", "number of the request on its connection, from 0"),
    Column("http_version", "string", "1.0, 1.1 or 2"),
    Column("truth_digest", "string", "digest of the healthy answer; null if there was none"),
    Column("tokens_planned", "int32", "tokens of the healthy answer"),
    Column("tokens_sent", "int32", "tokens in the bytes that were written"),
    Column("tokens_billed", "int32", "output tokens billed"),
    Column("prompt_tokens_billed", "int32", "prompt tokens billed"),
    Column("abandoned", "bool", "the client left before the answer was complete"),
    Column("abandoned_at_s", "float64", "when that was seen"),
    Column("retry_after_promised_s", "float64", "the wait that a refusal promised"),
    Column("came_back_early", "bool", "this attempt came before an earlier promise was over"),
    Column("queue_depth", "int32", "requests queued in the region at arrival, without this one"),
    Column("in_flight", "int32", "slots busy in the region at arrival"),
    Column("user_agent", "string", "the client's User-Agent"),
    Column("sdk_version", "string", "what x-stainless-package-version said"),
    Column("phase_index", "int32", "index of the plan's phase at arrival"),
    Column("prompt_tokens", "int32", "prompt tokens of the request"),
    Column("rtt_s", "float64", "the round trip drawn for the attempt; half of it lies on either side"),
    Column("bytes_sent", "int64", "bytes written, head and framing included"),
    Column(
        "ending",
        "string",
        "how the wire ended: end, close, abort, left (the client), cut (the server stopped) or failed (a bug)",
    ),
    Column(
        "effects",
        "int32",
        "1 where the request did something (generated an answer, changed an object), else 0",
    ),
    Column(
        "idempotent_replay", "bool", "the answer of an earlier request with its Idempotency-Key was repeated"
    ),
    Column("plan", "string", "name of the plan that the request was under"),
    Column("process", "int32", "pid of the server process"),
    Column("step", "int32", "number of the step within its call, from 0: requests with another body"),
    Column(
        "identity_certainty", "float64", "how sure it is that the call is the right one; 1.0 with a header"
    ),
    Column("tokens_when_left", "int32", "output tokens generated when the client left; null if it stayed"),
    Column(
        "next_content_s", "float64", "when a client that left would have had more of its answer; null: never"
    ),
    Column("body_digest", "string", "digest of the body, or of the route where it has none"),
    Column(
        "idempotency_digest",
        "string",
        "digest of the Idempotency-Key; null: none was sent, or the call is named",
    ),
    Column("delivered_s", "float64", "the last byte of the answer left its link (real clock); null: no link"),
)
"""The served records: one row per request that arrived."""

CONNECTIONS_COLUMNS: tuple[Column, ...] = (
    Column("connection_id", "int64", "number of the connection within the server"),
    Column("region", "string", "the region that was called"),
    Column("opened_s", "float64", "when it was accepted"),
    Column("closed_s", "float64", "when it was over; null: open when the server ended"),
)
"""One row per connection."""

LAG_COLUMNS: tuple[Column, ...] = (
    Column("source", "string", "server, hub or loop"),
    Column("process", "int32", "pid"),
    Column("at_s", "float64", "when the sample was due"),
    Column("lag_s", "float64", "how late it was taken"),
    Column("cpu_s", "float64", "CPU seconds of the process so far"),
)
"""How late a loop was: one row per sample."""

SERVED_NAMES: tuple[str, ...] = tuple(column.name for column in SERVED_COLUMNS)
