"""A run directory written from simulated cells, in the form that the harness leaves behind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.reports.page.queue_simulation import CLIENTS, STORM, Client, Phase, Row, Storm
from windtunnel.harness.contract.records import ATTEMPTS_SCHEMA, CALLS_SCHEMA, LAG_SCHEMA, SERVED_SCHEMA

ABOUT = {
    "openai-default": "The SDK as it comes: 600 s timeout, two retries.",
    "openai-4s-timeout": "The common fix: a short timeout, with the SDK's two retries left on.",
    "naive-loop": "httpx2 in a loop: 5 s timeout, up to 10 tries, 1 s apart.",
    "retry-budget": "The 4 s timeout plus a budget: retries are at most a tenth of the calls.",
}
_PROVIDER = {
    "capacity": {"slots": 28, "queue": 400, "abandoned": "keep_working"},
    "answer": {"first_token": {"median": "250ms", "p99": "900ms"}, "tokens": {"median": 60, "p99": 160},
               "tokens_per_second": 80.0},
}  # fmt: skip
EXPECT = ("amplification <= 1.5", "time_to_recover_s <= 12", "goodput@after >= 0.6")


def write_run(
    folder: Path,
    *,
    clients: Sequence[Client] = CLIENTS,
    phases: Sequence[Phase] = STORM,
    repeats: int = 1,
    name: str = "retry_storm",
    about: str = "A 12 s brownout at half load. Does the client let the provider recover?",
    expect: Sequence[str] = EXPECT,
    lag_s: float = 0.001,
    state: str = "finished",
    upto_s: float = float("inf"),
    own_chances: bool = False,
) -> Path:
    """Simulate every cell and write the directory; with `upto_s`, nothing that ended later was recorded.

    With `own_chances`, a cell draws its own chances even beside the same client, as on the real clock.
    """
    cells = [
        _plan(client, repeat, phases, 7 + 1000 * repeat + (number if own_chances else 0))
        for repeat in range(repeats)
        for number, client in enumerate(clients)
    ]
    scenario = {
        "name": name, "about": about, "seed": 7, "load": _load(), "objective": 0.99, "expect": list(expect),
        "provider": _PROVIDER, "clients": [client.name for client in clients],
        "phases": [_phase(phase) for phase in phases],
    }  # fmt: skip
    versions = {"windtunnel": "0.1.0", "openai": "3.52.0", "httpx2": "2.16.2", "python": "3.11.2"}
    plan = {"plan_version": 1, "run_id": f"{name}-7", "created": "2026-11-21T10:15:02Z", "scenario_name": name,
            "scenario": scenario, "seed": 7, "repeats": repeats, "processes": 1, "cells": cells,
            "versions": versions}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(plan, indent=1))
    by_name = {client.name: client for client in clients}
    for cell in cells:
        storm = Storm(by_name[cell["client"]], phases=tuple(phases), seed=cell["seed"]).play()
        _write_cell(folder / cell["dir"], cell, storm, lag_s=lag_s, state=state, upto_s=upto_s)
    return folder


def _load() -> Row:
    return {"api": "chat", "model": "gpt-4.1-mini", "stream": True, "arrivals": "poisson", "rate": "14/s",
            "deadline": "10s", "instances": 1}  # fmt: skip


def _phase(phase: Phase) -> Row:
    changed: Row = {}
    if phase.slots != 28:
        changed["provider"] = {"capacity": {"slots": phase.slots}}
    if phase.broken:
        changed["rules"] = [{"fault": "eof_without_done", "rate": phase.broken}]
    if phase.refused:
        changed["rules"] = [{"fault": "overloaded", "rate": phase.refused}]
    return {"name": phase.name, "for": f"{phase.end - phase.start:g}s", **changed}


def _plan(client: Client, repeat: int, phases: Sequence[Phase], seed: int) -> Row:
    about = ABOUT.get(client.name, "A client of these tests.")
    server = {"provider": _PROVIDER, "phases": [_phase(phase) for phase in phases]}
    return {
        "scenario": "retry_storm", "client": client.name, "repeat": repeat, "seed": seed,
        "region": "local", "profile": {"name": client.name, "about": about}, "server_plan": server,
        "load": _load(), "phases": [[p.name, p.start, p.end] for p in phases],
        "faulty": [p.name for p in phases if p.faulty], "warmup_s": 3.0, "tail_s": 10.0,
        "dir": f"cells/{client.name}-{repeat}",
    }  # fmt: skip


def _write_cell(folder: Path, cell: Row, storm: Storm, *, lag_s: float, state: str, upto_s: float) -> None:
    folder.mkdir(parents=True)
    (folder / "cell.json").write_text(json.dumps(cell))
    end = storm.phases[-1].end
    status = {"state": state, "reason": "" if state == "finished" else "interrupted by the user",
              "last_heartbeat_s": min(upto_s, end + 10)}  # fmt: skip
    (folder / "status.json").write_text(json.dumps(status))
    schedule = pa.schema([("call_id", pa.string()), ("intended_s", pa.float64()), ("instance", pa.int32()),
                          ("phase", pa.string())])  # fmt: skip
    _write(folder / "schedule.parquet", [{**row, "instance": 0} for row in storm.calls], schedule)
    tables = {"calls": (storm.calls, CALLS_SCHEMA), "attempts": (storm.attempts, ATTEMPTS_SCHEMA),
              "served": (storm.served, SERVED_SCHEMA)}  # fmt: skip
    for name, (rows, schema) in tables.items():
        _write(
            folder / f"{name}.parquet", [row for row in rows if (row.get("ended_s") or 0.0) <= upto_s], schema
        )
    ticks = [tick / 20 for tick in range(20 * int(min(end, upto_s)))]
    lags = [{"source": source, "process": 1, "at_s": at, "lag_s": lag_s, "cpu_s": 0.3 * at}
            for source in ("server", "hub") for at in ticks]  # fmt: skip
    _write(folder / "lags.parquet", lags, LAG_SCHEMA)


_USUAL: Mapping[str, Any] = {
    "instance": 0,
    "worker": 0,
    "process": 1,
    "http_version": "HTTP/1.1",
    "region": "local",
}


def _write(path: Path, rows: Sequence[Row], schema: pa.Schema) -> None:
    """Rows as Parquet with exactly the columns of `schema`; what a row does not have is null."""
    columns = [pa.array([row.get(f.name, _USUAL.get(f.name)) for row in rows], type=f.type) for f in schema]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path)
