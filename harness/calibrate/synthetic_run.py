"""A run directory of any size without a run: cells of planted records, as `windtunnel run` would leave them.

    calls at an even pace over three phases, the middle one faulty
        ─► three in four are answered at once, one in four after a first attempt that failed
        ─► plan.json, cells/CLIENT-0/{schedule, calls, attempts, served, connections, lags}.parquet

One call in `streamed` is streamed, with `GAPS` pauses between contents. Written in groups of rows: the memory that this
takes does not depend on the size.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windtunnel.harness.contract.files import PLAN_VERSION, write_json
from windtunnel.harness.contract.records import (
    ATTEMPTS_SCHEMA,
    CALLS_SCHEMA,
    CONNECTIONS_SCHEMA,
    LAG_SCHEMA,
    SCHEDULE_SCHEMA,
    SERVED_SCHEMA,
)

RATE_PER_S: Final = 1000.0
RETRIED: Final = 4
"""One call in so many fails at first."""
STREAMED: Final = 10
"""One call in so many is streamed, unless asked otherwise."""
GAPS: Final = 60
GROUP: Final = 65_536
WAIT_S: Final = 0.5
CLIENT: Final = "big"


def write_synthetic_run(
    folder: Path, served: int, *, cells: int = 1, streamed: int = STREAMED, seed: int = 7
) -> Path:
    """Write a run with about `served` served records, and four fifths as many calls, in `cells` cells of a client each.

    Returns `folder`.
    """
    names = [CLIENT] if cells == 1 else [f"{CLIENT}-{number}" for number in range(1, cells + 1)]
    calls = max(8, served * RETRIED // (RETRIED + 1) // cells)
    length = calls / RATE_PER_S
    phases = [["before", 0.0, 0.4 * length], ["brownout", 0.4 * length, 0.6 * length],
              ["after", 0.6 * length, length]]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "plan.json", _plan(names, phases))
    draw = np.random.default_rng(seed)
    for name in names:
        _write_cell(folder / f"cells/{name}-0", calls, length, streamed, draw)
    return folder


def _write_cell(place: Path, calls: int, length: float, streamed: int, draw: np.random.Generator) -> None:
    place.mkdir(parents=True)
    write_json(place / "status.json", {"state": "finished", "reason": ""})
    schemas = {
        "schedule": SCHEDULE_SCHEMA,
        "calls": CALLS_SCHEMA,
        "attempts": ATTEMPTS_SCHEMA,
        "served": SERVED_SCHEMA,
    }
    writers = {name: pq.ParquetWriter(place / f"{name}.parquet", schema, compression="zstd")
               for name, schema in schemas.items()}  # fmt: skip
    for rows in _rows(calls, length, streamed, draw):
        for name, columns in rows.items():
            writers[name].write_table(_table(columns, schemas[name]))
    for writer in writers.values():
        writer.close()
    opened = np.arange(0.0, length, max(1.0, length / 10_000))
    pq.write_table(
        _table({"opened_s": opened, "closed_s": opened + 30.0}, CONNECTIONS_SCHEMA),
        place / "connections.parquet",
    )
    at = np.repeat(np.arange(0.0, length, max(0.02, length / 50_000)), 2)
    lags = {"source": np.tile(np.array(["server", "hub"]), len(at) // 2), "process": np.tile([1, 2], len(at) // 2),
            "at_s": at, "lag_s": draw.exponential(0.0005, len(at)), "cpu_s": 0.3 * at}  # fmt: skip
    pq.write_table(_table(lags, LAG_SCHEMA), place / "lags.parquet")


def _plan(clients: list[str], phases: list[list[Any]]) -> dict[str, Any]:
    load = {
        "api": "chat",
        "model": "m",
        "stream": True,
        "rate": f"{RATE_PER_S:g}/s",
        "deadline": "5s",
        "prompt_tokens": 50,
    }
    overrides = [{}, {"capacity": {"slots": 400}}, {}]
    planned = [{"name": name, "for": f"{end - start}s", "rules": [], "provider": override}
               for (name, start, end), override in zip(phases, overrides, strict=True)]  # fmt: skip
    provider = {"regions": {"local": {}}, "capacity": {"slots": 4000}, "limits": {},
                "answer": {"first_token": "200ms", "tokens": 60, "tokens_per_second": 200.0}}  # fmt: skip
    cells = [{"client": client, "repeat": 0, "dir": f"cells/{client}-0", "phases": phases, "faulty": ["brownout"],
              "region": "local", "load": load, "warmup_s": 0.0, "tail_s": 10.0,
              "server_plan": {"provider": provider, "rules": [], "phases": planned}} for client in clients]  # fmt: skip
    scenario = {"name": "synthetic", "seed": 7, "load": load, "phases": planned, "expect": [],
                "prices": {"input_per_million": 0.4, "output_per_million": 1.6}}  # fmt: skip
    return {"plan_version": PLAN_VERSION, "scenario": scenario, "seed": 7, "cells": cells}


def _rows(
    calls: int, length: float, one_streamed_in: int, draw: np.random.Generator
) -> Iterator[dict[str, dict[str, Any]]]:
    """The columns of each table, for so many calls at a time."""
    for first in range(0, calls, GROUP):
        index = np.arange(first, min(first + GROUP, calls))
        intended = index / RATE_PER_S
        retried = index % RETRIED == RETRIED - 1
        streamed = index % one_streamed_in == 0
        broken = (intended >= 0.4 * length) & (intended < 0.6 * length) & (draw.random(len(index)) < 0.2)
        wait = draw.lognormal(np.log(WAIT_S), 0.5, len(index)) + retried
        ids = _numbered("c", index)
        digests = _digests(len(index), draw)
        last = _numbered("s", 2 * index + retried)
        yield {
            "schedule": {"call_id": ids, "index": index, "intended_s": intended, "instance": index % 8,
                         "section": ["phases"] * len(index)},
            "calls": _calls(index, intended, wait, ids, digests, last, broken, streamed, draw),
            **_requests(index, intended, wait, ids, digests, retried, broken, streamed, draw),
        }  # fmt: skip


def _calls(
    index: Any, intended: Any, wait: Any, ids: Any, digests: Any, last: Any, broken: Any, streamed: Any,
    draw: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    count = len(index)
    lengths = np.where(streamed & ~broken, GAPS, 0)
    gaps = pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32()),
        pa.array(draw.exponential(0.005, int(lengths.sum())), pa.float32()),
    )
    return {
        "call_id": ids, "client": [CLIENT] * count, "instance": index % 8, "worker": [0] * count,
        "region": ["local"] * count, "model": ["m"] * count, "api": ["chat"] * count, "stream": streamed,
        "intended_s": intended, "started_s": intended + draw.exponential(0.0005, count),
        "first_token_s": intended + wait / 2, "last_content_s": intended + wait, "ended_s": intended + wait,
        "outcome": np.where(broken, "error", "ok"), "error_type": pa.array(["APIError"] * count, mask=~broken),
        "status": np.where(broken, 503, 200), "served_id": last, "digest": digests,
        "finish_reason": ["stop"] * count, "saw_done": ~broken, "lateness_cause": [""] * count, "gaps_s": gaps,
    }  # fmt: skip


def _requests(
    index: Any, intended: Any, wait: Any, ids: Any, digests: Any, retried: Any, broken: Any, streamed: Any,
    draw: np.random.Generator,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Attempts and served rows: of the retried calls a first one that failed, and of every call the last one."""
    of = np.concatenate([np.flatnonzero(retried), np.arange(len(index))])
    number = np.concatenate([np.zeros(int(retried.sum()), dtype=int), retried.astype(int)])
    order = np.argsort(intended[of] + number, kind="stable")
    of, number = of[order], number[order]
    count = len(of)
    failed = retried[of] & (number == 0) | broken[of]
    refused, left = failed & (index[of] % 3 > 0), failed & (index[of] % 3 == 0)
    sent = intended[of] + number + 0.001
    ended = np.where(failed, sent + 0.3, intended[of] + wait[of])
    call_id, digest = ids.take(pa.array(of)), digests.take(pa.array(of))
    served = {
        "served_id": _numbered("s", 2 * index[of] + number), "call_id": call_id, "attempt": number,
        "client_attempt": number, "sdk_retry_count": number, "identity": ["header"] * count,
        "arrived_s": sent + 0.002, "started_s": np.where(refused, np.nan, sent + 0.003),
        "first_byte_s": sent + 0.1, "last_byte_s": ended - 0.002, "ended_s": ended,
        "status": pa.array(np.where(refused, 429, 200), mask=left),
        "faults": pa.array([["stall"] if gone else [] for gone in left], pa.list_(pa.string())),
        "region": ["local"] * count, "model": ["m"] * count, "api": ["chat"] * count, "stream": streamed[of],
        "key_hash": ["f4090279f5cd39e7"] * count, "connection_id": index[of] % 1000, "truth_digest": digest,
        "connection_request_n": index[of] // 1000, "http_version": ["1.1"] * count, "tokens_planned": [60] * count,
        "tokens_sent": np.where(failed, 0, 60), "tokens_billed": np.where(refused, 0, 60),
        "prompt_tokens_billed": np.where(refused, 0, 50), "abandoned": left,
        "abandoned_at_s": np.where(left, ended, np.nan),
        "retry_after_promised_s": np.where(refused, draw.random(count), np.nan), "came_back_early": [False] * count,
        "queue_depth": draw.integers(0, 50, count), "in_flight": draw.integers(0, 400, count),
        "user_agent": ["OpenAI/Python 3.52.0"] * count, "sdk_version": ["3.52.0"] * count,
        "phase_index": [0] * count, "prompt_tokens": [50] * count, "effects": np.where(refused, 0, 1),
        "ending": np.where(left, "left", "end"), "plan": ["synthetic"] * count, "process": [1] * count,
    }  # fmt: skip
    attempts = {
        "call_id": call_id, "attempt": number, "client": [CLIENT] * count, "instance": index[of] % 8,
        "worker": [0] * count, "sdk_retry_count": number, "started_s": sent - 0.001, "sent_s": sent,
        "headers_s": sent + 0.1, "first_byte_s": sent + 0.1, "last_byte_s": ended, "ended_s": ended,
        "last_content_s": np.where(failed, np.nan, ended), "status": np.where(refused, 429, 200),
        "error_type": pa.array(["APITimeoutError"] * count, mask=~failed), "connection_id": ["k"] * count,
        "http_version": ["1.1"] * count, "region": ["local"] * count, "body_bytes": [5000] * count,
        "body_complete": ~failed,
    }  # fmt: skip
    return {"attempts": attempts, "served": served}


def _numbered(letter: str, numbers: Any) -> pa.Array:
    return pc.binary_join_element_wise(letter, pa.array(numbers).cast(pa.string()), "")


def _digests(count: int, draw: np.random.Generator) -> pa.Array:
    """Hexadecimal digests as SHA-256 writes them."""
    text = draw.bytes(32 * count).hex().encode()
    offsets = pa.py_buffer(np.arange(0, 64 * count + 1, 64, dtype=np.int32).tobytes())
    return pa.StringArray.from_buffers(count, offsets, pa.py_buffer(text))


def _table(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    """The columns in the types of the schema; what is not a number, and what is absent, is null."""
    count = len(next(iter(columns.values())))
    arrays = []
    for field in schema:
        given = columns.get(field.name)
        if given is None:
            arrays.append(pa.nulls(count, field.type))
        elif isinstance(given, pa.Array):
            arrays.append(given.cast(field.type))
        else:
            arrays.append(pa.array(given, from_pandas=True).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)
