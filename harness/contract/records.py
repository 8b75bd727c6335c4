"""What a load process writes down: one row per call and one per attempt.

    driver ──► CallRow, AttemptRow ──► tuples in the order of the schemas ──► calls-*.arrows, attempts-*.arrows

All times are seconds from t0 on the monotonic clock, as float64; they are negative during the warm-up.
Nothing is judged here: `outcome` is what the client itself saw, and the reports compare it with the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import pyarrow as pa

from windtunnel.mock_server.journal.schemas import CONNECTIONS_SCHEMA, LAG_SCHEMA, SERVED_SCHEMA

__all__ = [
    "ATTEMPTS_SCHEMA",
    "CALLS_SCHEMA",
    "CONNECTIONS_SCHEMA",
    "LAG_SCHEMA",
    "SCHEDULE_SCHEMA",
    "SERVED_SCHEMA",
    "AttemptRow",
    "CallRow",
    "attempt_tuple",
    "call_tuple",
]

SCHEDULE_SCHEMA = pa.schema(
    [
        ("call_id", pa.string()),
        ("index", pa.int64()),
        ("intended_s", pa.float64()),
        ("instance", pa.int32()),
        ("section", pa.string()),  # warmup, phases or tail
        ("phase", pa.string()),  # null outside the phases
    ]
)
"""When each call of a cell is due, written before the cell is played."""

CALLS_SCHEMA = pa.schema(
    [
        ("call_id", pa.string()),
        ("client", pa.string()),
        ("instance", pa.int32()),
        ("worker", pa.int32()),
        ("region", pa.string()),
        ("model", pa.string()),
        ("api", pa.string()),
        ("stream", pa.bool_()),
        ("phase", pa.string()),  # null outside the phases: the warm-up and the tail
        ("warmup", pa.bool_()),
        ("intended_s", pa.float64()),
        ("started_s", pa.float64()),  # null: never started
        ("first_token_s", pa.float64()),  # first content seen by the application
        ("last_content_s", pa.float64()),
        ("ended_s", pa.float64()),
        ("outcome", pa.string()),  # ok incomplete error timeout deadline cancelled shed unfinished
        ("error_type", pa.string()),
        ("error_cause", pa.string()),
        ("status", pa.int32()),
        ("attempts_seen", pa.int32()),
        ("tokens_received", pa.int32()),
        ("served_id", pa.string()),  # of the answer delivered
        ("digest", pa.string()),
        ("finish_reason", pa.string()),
        ("saw_done", pa.bool_()),
        (
            "declared_incomplete",
            pa.bool_(),
        ),  # the answer says so itself, whether the profile checks it or not
        ("wait_budget_s", pa.float64()),  # the client's own declared deadline
        ("lateness_cause", pa.string()),  # "" or "client_limit"
        ("limiter_wait_s", pa.float32()),  # how long the client's own limiter held it, all tries together
        ("gaps_max_s", pa.float64()),
        ("gaps_s", pa.list_(pa.float32())),  # between contents, in order
        ("error_message", pa.string()),  # bounded, on one line, without secrets
        ("error_place", pa.string()),  # file.py:line in the code of the user whose callable it is
    ]
)

ATTEMPTS_SCHEMA = pa.schema(
    [
        ("call_id", pa.string()),
        ("attempt", pa.int32()),
        ("client", pa.string()),
        ("instance", pa.int32()),
        ("worker", pa.int32()),
        ("sdk_retry_count", pa.int32()),
        ("started_s", pa.float64()),
        ("pool_wait_s", pa.float64()),  # a duration; of an attempt that got no connection, all of its time
        ("connected_s", pa.float64()),  # null: reused connection, or never connected
        ("sent_s", pa.float64()),
        ("headers_s", pa.float64()),
        ("first_byte_s", pa.float64()),  # of the body
        ("last_byte_s", pa.float64()),
        ("last_content_s", pa.float64()),
        ("ended_s", pa.float64()),
        ("status", pa.int32()),
        ("error_type", pa.string()),
        ("error_cause", pa.string()),
        ("connection_id", pa.string()),
        ("http_version", pa.string()),
        ("region", pa.string()),
        ("served_id", pa.string()),
        ("body_bytes", pa.int64()),
        ("body_complete", pa.bool_()),  # the body was read to its end, not closed or broken off before
        ("retry_after_s", pa.float64()),  # what the answer's headers asked to wait
        # Durations. Null: a connection that was there already, or a library that does not show this part.
        ("dns_s", pa.float64()),  # looking up the host's address
        ("connect_s", pa.float64()),  # connecting, also in vain; DNS and TLS are in it where they are null
        ("tls_s", pa.float64()),  # the TLS handshake, also in vain
    ]
)


@dataclass(slots=True)
class CallRow:
    """One call, in the order of `CALLS_SCHEMA`."""

    call_id: str
    client: str
    instance: int
    worker: int
    region: str
    model: str
    api: str
    stream: bool
    phase: str | None
    warmup: bool
    intended_s: float
    started_s: float | None = None
    first_token_s: float | None = None
    last_content_s: float | None = None
    ended_s: float | None = None
    outcome: str = "cancelled"
    error_type: str | None = None
    error_cause: str | None = None
    status: int | None = None
    attempts_seen: int = 0
    tokens_received: int = 0
    served_id: str | None = None
    digest: str | None = None
    finish_reason: str | None = None
    saw_done: bool = False
    declared_incomplete: bool = False
    wait_budget_s: float | None = None
    lateness_cause: str = ""
    limiter_wait_s: float = 0.0
    gaps_max_s: float | None = None
    gaps_s: list[float] = field(default_factory=list)
    error_message: str | None = None
    error_place: str | None = None


@dataclass(slots=True)
class AttemptRow:
    """One HTTP request made for a call, in the order of `ATTEMPTS_SCHEMA`; written when its stream closes."""

    call_id: str
    attempt: int
    client: str
    instance: int
    worker: int
    sdk_retry_count: int | None
    started_s: float
    pool_wait_s: float | None = None
    connected_s: float | None = None
    sent_s: float | None = None
    headers_s: float | None = None
    first_byte_s: float | None = None
    last_byte_s: float | None = None
    last_content_s: float | None = None
    ended_s: float | None = None
    status: int | None = None
    error_type: str | None = None
    error_cause: str | None = None
    connection_id: str | None = None
    http_version: str | None = None
    region: str = ""
    served_id: str | None = None
    body_bytes: int = 0
    body_complete: bool = False
    retry_after_s: float | None = None
    dns_s: float | None = None
    connect_s: float | None = None
    tls_s: float | None = None


call_tuple: Callable[[CallRow], tuple[Any, ...]] = attrgetter(*CALLS_SCHEMA.names)
attempt_tuple: Callable[[AttemptRow], tuple[Any, ...]] = attrgetter(*ATTEMPTS_SCHEMA.names)
