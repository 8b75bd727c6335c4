"""Small records with a planted truth: rows of calls, attempts and served, and cells and run directories of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from windtunnel.harness.contract.records import (
    ATTEMPTS_SCHEMA,
    CALLS_SCHEMA,
    CONNECTIONS_SCHEMA,
    LAG_SCHEMA,
    SCHEDULE_SCHEMA,
    SERVED_SCHEMA,
)
from windtunnel.reports.figures.cell import MeasuredCell
from windtunnel.reports.figures.cell import figures_of as cell_figures
from windtunnel.reports.figures.collect import run_figures
from windtunnel.reports.figures.metrics_json import as_json
from windtunnel.reports.metrics import Value, cohort_of, measure
from windtunnel.reports.metrics.figure import Figures
from windtunnel.reports.read.columns import Records
from windtunnel.reports.read.outcomes import Judged, judge
from windtunnel.reports.read.run_dir import CellRecords, RecordedPhase, frame_of, load_run

Row = dict[str, Any]
HEALTHY = (("healthy", 0.0, 10.0),)
STORM = (("healthy", 0.0, 20.0), ("brownout", 20.0, 30.0), ("after", 30.0, 70.0))
SCHEMAS = {
    "calls": CALLS_SCHEMA,
    "attempts": ATTEMPTS_SCHEMA,
    "served": SERVED_SCHEMA,
    "lags": LAG_SCHEMA,
    "schedule": SCHEDULE_SCHEMA,
    "connections": CONNECTIONS_SCHEMA,
}


def call(call_id: str, intended_s: float, ended_s: float | None, outcome: str = "ok", **more: Any) -> Row:
    """A calls row: started on time, with the digest of the truth, unless said otherwise."""
    return {
        "call_id": call_id,
        "intended_s": intended_s,
        "started_s": intended_s,
        "ended_s": ended_s,
        "outcome": outcome,
        "served_id": f"{call_id}/0",
        "digest": f"truth of {call_id}",
        "stream": True,
        "lateness_cause": "",
        "gaps_s": [],
        "instance": 0,
    } | more


def served(call_id: str, attempt: int, arrived_s: float, **more: Any) -> Row:
    """A served row: answered at once and whole, 10 output tokens and 5 of prompt, unless said otherwise."""
    return {
        "served_id": f"{call_id}/{attempt}",
        "call_id": call_id,
        "attempt": attempt,
        "client_attempt": attempt,
        "arrived_s": arrived_s,
        "started_s": arrived_s,
        "last_byte_s": arrived_s,
        "ended_s": arrived_s,
        "status": 200,
        "faults": [],
        "region": "local",
        "model": "m",
        "key_hash": "k",
        "truth_digest": f"truth of {call_id}",
        "tokens_billed": 10,
        "prompt_tokens_billed": 5,
        "tokens_sent": 10,
        "abandoned": False,
        "queue_depth": 0,
        "connection_id": 1,
        "connection_request_n": 0,
    } | more


def attempt(call_id: str, number: int, sent_s: float, ended_s: float, **more: Any) -> Row:
    """An attempts row: succeeded, unless said otherwise."""
    return {
        "call_id": call_id,
        "attempt": number,
        "started_s": sent_s,
        "sent_s": sent_s,
        "ended_s": ended_s,
    } | more


def lag(source: str, at_s: float, lag_s: float, cpu_s: float = 0.0, process: int = 1) -> Row:
    """A lags row."""
    return {"source": source, "process": process, "at_s": at_s, "lag_s": lag_s, "cpu_s": cpu_s}


def quiet_lags(until_s: float) -> list[Row]:
    """The lags of a machine with nothing else to do."""
    sources = ("server", "hub", "loop")
    return [
        lag(name, step / 10, 0.001, step / 100, number)
        for number, name in enumerate(sources)
        for step in range(int(until_s * 10))
    ]


def table(name: str, rows: Iterable[Row]) -> pa.Table:
    """Rows as the record table `name`; columns that a row does not name are null."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMAS[name])


def cell_plan(
    phases: Sequence[tuple[str, float, float]] = HEALTHY,
    *,
    client: str = "polite",
    repeat: int = 0,
    load: Mapping[str, Any] | None = None,
    server_plan: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A resolved cell. A phase named `brownout` has 4 slots in place of 28, and is faulty."""
    overrides = [{"capacity": {"slots": 4}} if name == "brownout" else {} for name, _, _ in phases]
    provider = {
        "regions": {"local": {}},
        "capacity": {"slots": 28},
        "answer": {"first_token": "200ms", "tokens": 65, "tokens_per_second": 80.0},
        "limits": {},
    }
    plan_phases = [
        {"name": name, "for": f"{end - start}s", "rules": [], "provider": override}
        for (name, start, end), override in zip(phases, overrides, strict=True)
    ]
    return {
        "client": client,
        "repeat": repeat,
        "dir": f"cells/{client}-{repeat}",
        "phases": [list(phase) for phase in phases],
        "faulty": [name for name, _, _ in phases if name == "brownout"],
        "region": "local",
        "load": {"api": "chat", "stream": True, "deadline": "5s", "prompt_tokens": 50} | dict(load or {}),
        "server_plan": {"provider": provider, "rules": [], "phases": plan_phases} | dict(server_plan or {}),
        "warmup_s": 0.0,
        "tail_s": 10.0,
    }


def make_cell(
    calls: Iterable[Row] = (),
    served: Iterable[Row] = (),
    attempts: Iterable[Row] = (),
    *,
    phases: Sequence[tuple[str, float, float]] = HEALTHY,
    lags: Iterable[Row] = (),
    schedule: Iterable[Row] | None = None,
    connections: Iterable[Row] | None = None,
    load: Mapping[str, Any] | None = None,
    server_plan: Mapping[str, Any] | None = None,
    observed_s: float = math.inf,
    state: str = "finished",
) -> CellRecords:
    """A cell in memory; without a schedule, what was offered is what has a row."""
    plan = cell_plan(phases, load=load, server_plan=server_plan)
    rows = Records.of(table("calls", calls))
    return CellRecords(
        client="polite",
        repeat=0,
        folder=Path("cells/polite-0"),
        plan=plan,
        status={"state": state},
        phases=tuple(
            RecordedPhase(index, name, start, end, name in plan["faulty"])
            for index, (name, start, end) in enumerate(phases)
        ),
        observed_s=observed_s,
        schedule=rows if schedule is None else Records.of(table("schedule", schedule)),
        calls=rows,
        attempts=Records.of(table("attempts", attempts)),
        served=Records.of(table("served", served)),
        lags=frame_of(table("lags", lags)),
        connections=None if connections is None else frame_of(table("connections", connections)),
    )


def measured(cell: CellRecords, phase: str | None = None, **scenario: Any) -> dict[str, Value]:
    """The metrics of a cell, overall or of a phase."""
    return measured_of(judge(cell), phase, **scenario)


def measured_of(judged: Judged, phase: str | None = None, **scenario: Any) -> dict[str, Value]:
    """The values of the metrics of a judged cell."""
    return {name: figure.value for name, figure in figures_of(judged, phase, **scenario).items()}


def figures_of(judged: Judged, phase: str | None = None, **scenario: Any) -> Figures:
    """The figures of a judged cell, overall or of a phase."""
    chosen = next((one for one in judged.cell.phases if one.name == phase), None)
    return measure(cohort_of(judged, scenario, chosen))


def even_calls(
    rate: float, end_s: float, good: Iterable[tuple[float, float]] = (), *, wait_s: float = 0.5
) -> tuple[list[Row], list[Row]]:
    """Calls at `rate` per second from 0 to `end_s`, and their served rows.

    All are ok; where `good` names intervals of intended time, those outside of it end in an error.
    """
    intervals = list(good) or [(0.0, end_s)]
    calls, answers = [], []
    for index in range(round(rate * end_s)):
        at = index / rate
        fine = any(start <= at < end for start, end in intervals)
        calls.append(call(f"c{index}", at, at + wait_s, "ok" if fine else "error"))
        answers.append(served(f"c{index}", 0, at + 0.01, last_byte_s=at + wait_s, ended_s=at + wait_s))
    return calls, answers


def whole(tables: Mapping[str, Iterable[Row]]) -> dict[str, list[Row]]:
    """The tables with those that every cell has that came to its end: nothing was offered but what has a row."""
    rows = {name: list(found) for name, found in tables.items()}
    calls = rows.get("calls", [])
    schedule = [{name: row[name] for name in ("call_id", "intended_s", "instance")} for row in calls]
    return {"calls": [], "served": [], "schedule": schedule} | rows if rows else {}


def write_run(
    folder: Path, cells: Iterable[tuple[dict[str, Any], Mapping[str, Iterable[Row]]]], **scenario: Any
) -> Path:
    """A run directory: of each cell its plan and the rows of its tables, as Parquet."""
    plans = []
    for plan, tables in cells:
        place = folder / plan["dir"]
        place.mkdir(parents=True)
        (place / "status.json").write_text(json.dumps({"state": "finished", "reason": ""}))
        for name, rows in whole(tables).items():
            pq.write_table(table(name, rows), place / f"{name}.parquet")
        plans.append(plan)
    first = plans[0]
    about = {
        "name": "planted",
        "seed": 7,
        "load": first["load"],
        "phases": first["server_plan"]["phases"],
        "expect": [],
    }
    (folder / "plan.json").write_text(
        json.dumps({"scenario": about | scenario, "seed": 7, "cells": plans}, indent=1)
    )
    return folder


def metrics_json(folder: Path) -> dict[str, Any]:
    """The contents of metrics.json for a run directory."""
    run = load_run(folder)
    cells = [MeasuredCell(cell, cell_figures(judge(cell), run.scenario)) for cell in run.cells]
    return as_json(run_figures(run, cells))
