"""The requests of a program, as the server's records have them; how each ended, as far as a client could see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from windtunnel.mock_server.faults import FAULTS

BREAKING = ("content", "events", "ending")
"""Layers of faults that change what an answer says, or how it ends."""

SEEN_AS_END = ("end", "close")


@dataclass(frozen=True, slots=True)
class ProbedConnection:
    """One connection: when it was opened and closed (None: open when the server ended), seconds from t0."""

    number: int
    opened_s: float
    closed_s: float | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """One request. Times are seconds from t0.

    `over_s`: when a client could know how it ended; `how` is `ok`, `failed`, `changed` (a whole 200 that a fault has
    changed: whether the client minded is not visible) or `open` (the server was ended before). `name` is the call id,
    if the client sent one.
    """

    served_id: str
    name: str | None
    step: int
    key: str
    body: str
    api: str
    region: str
    idempotency: str | None
    counter: int | None
    connection: ProbedConnection
    nth: int
    arrived_s: float
    first_byte_s: float | None
    last_byte_s: float | None
    over_s: float
    ended_s: float
    how: str
    status: int | None
    promised_s: float | None
    abandoned: bool
    executed: bool
    tokens_billed: int
    tokens_when_left: int | None
    faults: tuple[str, ...]
    stream: bool
    user_agent: str


def arrived(served: Iterable[Mapping[str, Any]], connections: Iterable[Mapping[str, Any]]) -> list[Arrived]:
    """Make requests of rows of both tables, in the order of arrival."""
    known = {one.number: one for one in connections_of(connections)}
    return sorted((_one(row, known) for row in served), key=lambda one: one.arrived_s)


def connections_of(rows: Iterable[Mapping[str, Any]]) -> list[ProbedConnection]:
    """Make connections of rows of their table."""
    return [ProbedConnection(int(row["connection_id"]), row["opened_s"], row["closed_s"]) for row in rows]


def _one(row: Mapping[str, Any], known: Mapping[int, ProbedConnection]) -> Arrived:
    number = int(row["connection_id"])
    left = row["abandoned_at_s"] if row["abandoned"] else None
    last = row["last_byte_s"]
    over = left if left is not None else last if last is not None else row["ended_s"]
    return Arrived(
        served_id=row["served_id"],
        name=row["call_id"] if row["identity"] == "header" else None,
        step=row["step"] or 0,
        key=row["key_hash"] or "",
        body=row["body_digest"] or "",
        api=row["api"] or "",
        region=row["region"] or "",
        idempotency=row["idempotency_digest"],
        counter=row["sdk_retry_count"],
        connection=known.get(number) or ProbedConnection(number, row["arrived_s"], None),
        nth=row["connection_request_n"] or 0,
        arrived_s=row["arrived_s"],
        first_byte_s=row["first_byte_s"],
        last_byte_s=last,
        over_s=over,
        ended_s=row["ended_s"],
        how=_how(row),
        status=row["status"],
        promised_s=row["retry_after_promised_s"],
        abandoned=bool(row["abandoned"]),
        executed=bool(row["effects"]) and not row["idempotent_replay"],
        tokens_billed=row["tokens_billed"] or 0,
        tokens_when_left=row["tokens_when_left"],
        faults=tuple(row["faults"] or ()),
        stream=bool(row["stream"]),
        user_agent=row["user_agent"] or "",
    )


def _how(row: Mapping[str, Any]) -> str:
    """How a request ended, as its client could see it."""
    if row["ending"] == "cut":
        return "open"
    status = row["status"]
    if status is None or status >= 400 or row["abandoned"] or row["ending"] not in SEEN_AS_END:
        return "failed"
    breaking = any(name in FAULTS and FAULTS[name].layer in BREAKING for name in row["faults"] or ())
    if not breaking:
        return "ok"
    return "changed" if row["ending"] == "end" else "failed"
