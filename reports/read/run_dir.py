"""From a run directory to frames: the first step of every report.

    plan.json, cells/<client>-<repeat>/{status.json, schedule.parquet, calls, attempts, served, connections, lags}
        ──► Run(plan, cells), each cell with a DataFrame a table

A table is read from its Parquet file or, if the run was killed before that was written, from its segments
(`tables.py`, which also says what is damaged in them). Every frame has at least the columns of its schema, in
their types; a boolean that is null counts as false, and a list of names is one string with commas between.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from windtunnel.harness.contract.files import PLAN_VERSION, POOLS_FILE
from windtunnel.harness.contract.records import (
    ATTEMPTS_SCHEMA,
    CALLS_SCHEMA,
    CONNECTIONS_SCHEMA,
    LAG_SCHEMA,
    SCHEDULE_SCHEMA,
    SERVED_SCHEMA,
)
from windtunnel.harness.contract.units import seconds_or_none
from windtunnel.reports.errors import RunDirectoryError
from windtunnel.reports.read.columns import ColumnCache, Records, column_of
from windtunnel.reports.read.tables import Damage, open_table, read_table


@dataclass(frozen=True, slots=True)
class RecordedPhase:
    """A stretch of the scenario, [start_s, end_s) from t0, and whether the provider is at fault in it."""

    index: int
    name: str
    start_s: float
    end_s: float
    faulty: bool


@dataclass(frozen=True, slots=True)
class CellRecords:
    """One client in one repeat: its plan, how it ended, and its records.

    `connections` is None where the server kept no list of them. `observed_s` is the last moment that the load
    processes are known to have lived (infinite if the cell was played to its end).
    """

    client: str
    repeat: int
    folder: Path
    plan: Mapping[str, Any]
    status: Mapping[str, Any]
    phases: tuple[RecordedPhase, ...]
    observed_s: float
    schedule: Records
    calls: Records
    attempts: Records
    served: Records
    lags: pd.DataFrame
    connections: pd.DataFrame | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[Mapping[str, Any], ...] = ()
    found_damages: Sequence[Sequence[Damage]] = ()

    @property
    def damages(self) -> tuple[Damage, ...]:
        """What is damaged in the records: as far as is known yet, as a column may be found damaged when it is read."""
        return tuple(damage for found in self.found_damages for damage in found)

    @property
    def partial(self) -> bool:
        """Whether the cell was cut off before its end."""
        return self.status.get("state") != "finished"

    @property
    def digest(self) -> str | None:
        """The digest of what the client did, where the cell was played on the virtual clock."""
        return self.digests.get("digest")

    @property
    def wire_digest(self) -> str | None:
        """The same of everything that was recorded or sent; None of records that are older than it."""
        return self.digests.get("wire_digest")

    @property
    def virtual(self) -> bool:
        """Whether it was played on the virtual clock, where nothing can be late."""
        return self.plan.get("clock") == "virtual"

    @property
    def start_s(self) -> float:
        return self.phases[0].start_s

    @property
    def end_s(self) -> float:
        """End of the last phase; the tail that follows is not measured."""
        return self.phases[-1].end_s

    @property
    def deadline_s(self) -> float:
        """How long a user is willing to wait: the load's deadline, else its objective_wait, else forever."""
        load = self.plan["load"]
        for key in ("deadline", "objective_wait"):
            seconds = seconds_or_none(load.get(key))
            if seconds is not None:
                return seconds
        return math.inf


@dataclass(frozen=True, slots=True)
class Run:
    """A run directory, read: its plan.json and a cell per client and repeat."""

    path: Path
    plan: Mapping[str, Any]
    cells: tuple[CellRecords, ...]

    @property
    def scenario(self) -> Mapping[str, Any]:
        scenario: Mapping[str, Any] = self.plan["scenario"]
        return scenario

    @property
    def clients(self) -> tuple[str, ...]:
        """The clients in the order of the plan."""
        return tuple(dict.fromkeys(cell.client for cell in self.cells))

    @property
    def partial(self) -> bool:
        return any(cell.partial for cell in self.cells)


def load_run(path: Path) -> Run:
    """Read a run directory. Raises `RunDirectoryError` if it is not one."""
    plan = open_run(path)
    return Run(path, plan, tuple(load_cell(path, plan, entry) for entry in plan["cells"]))


def open_run(path: Path) -> dict[str, Any]:
    """The plan of a run directory alone. Raises `RunDirectoryError` if it is not one."""
    expected = "a run directory, as `windtunnel run` leaves it (with a plan.json in it)"
    if not path.is_dir():
        raise RunDirectoryError(path, "a file" if path.exists() else "nothing", expected)
    file = path / "plan.json"
    if not file.is_file():
        raise RunDirectoryError(path, "a directory without plan.json", expected)
    try:
        plan = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise RunDirectoryError(file, f"something unreadable ({error})", "the JSON plan of a run") from error
    if not isinstance(plan, dict) or not isinstance(plan.get("scenario"), dict) or not plan.get("cells"):
        raise RunDirectoryError(file, "JSON of another form", "the keys scenario and cells")
    for key in ("plan_version", "schema"):
        if plan.get(key, PLAN_VERSION) != PLAN_VERSION:
            known = f"{PLAN_VERSION}, which this version of windtunnel reads"
            raise RunDirectoryError(file, f"{key}: {plan[key]!r}", known)
    return plan


def was_played(path: Path, entry: Mapping[str, Any]) -> bool:
    """Whether a cell came to its end, a good one or a failure: not one that was cut off, or never began."""
    folder = path / entry.get("dir", f"cells/{entry.get('client')}-{entry.get('repeat')}")
    return _json(folder / "status.json").get("state") in ("finished", "failed")


def load_cell(path: Path, plan: Mapping[str, Any], entry: Mapping[str, Any]) -> CellRecords:
    """Read one cell of the run at `path`; `entry` is its element of `plan["cells"]`."""
    try:
        client, repeat = str(entry["client"]), int(entry["repeat"])
        folder = path / entry.get("dir", f"cells/{client}-{repeat}")
        phases = _phases(entry, plan["scenario"])
        entry = {**entry, "load": entry.get("load") or plan["scenario"]["load"]}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RunDirectoryError(path / "plan.json", f"a cell without {error}", "a resolved cell") from error
    status = _json(folder / "status.json")
    finished = status.get("state") == "finished"
    cache = ColumnCache()
    small: list[Damage] = []
    damages: list[list[Damage]] = [small]

    def whole(name: str, schema: pa.Schema, *, optional: bool = False) -> pa.Table:
        found, damaged = read_table(folder, name, schema, finished=finished, optional=optional)
        small.extend(damaged)
        return found

    def opened(name: str, schema: pa.Schema) -> Records:
        found, damaged = open_table(folder, name, schema, finished=finished, cache=cache)
        damages.append(damaged)
        return found

    calls = opened("calls", CALLS_SCHEMA)
    schedule = opened("schedule", SCHEDULE_SCHEMA)
    connections = whole("connections", CONNECTIONS_SCHEMA, optional=True)
    return CellRecords(
        client=client,
        repeat=repeat,
        folder=folder,
        plan=entry,
        status=status,
        phases=phases,
        observed_s=_observed(folder, status, calls),
        schedule=calls if schedule.empty else schedule,
        calls=calls,
        attempts=opened("attempts", ATTEMPTS_SCHEMA),
        served=opened("served", SERVED_SCHEMA),
        lags=frame_of(whole("lags", LAG_SCHEMA)),
        connections=frame_of(connections) if connections.num_columns else None,
        digests=_json(folder / "digest.json"),
        pools=_pools(folder),
        found_damages=damages,
    )


def _phases(entry: Mapping[str, Any], scenario: Mapping[str, Any]) -> tuple[RecordedPhase, ...]:
    """The cell's phases. The plan says which are faulty; else those with rules or overrides of the provider."""
    named = entry.get("faulty")
    declared = [*scenario.get("phases", []), *({} for _ in entry["phases"])]
    phases = []
    for index, (span, about) in enumerate(zip(entry["phases"], declared, strict=False)):
        name, start, end = (span["name"], span["start"], span["end"]) if isinstance(span, dict) else span
        changed = bool(about.get("rules")) or bool(about.get("provider"))
        faulty = changed if named is None else name in named
        phases.append(RecordedPhase(index, str(name), float(start), float(end), faulty))
    if not phases:
        raise IndexError("phases")
    return tuple(phases)


def _pools(folder: Path) -> tuple[Mapping[str, Any], ...]:
    """What each load process found in its pools; none if one of them had no pool to look into."""
    found = [_json(path) for path in sorted(folder.glob(POOLS_FILE.format(worker="*")))]
    return tuple(found) if all(one.get("pools") for one in found) else ()


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _observed(folder: Path, status: Mapping[str, Any], calls: Records) -> float:
    """The last moment of which the records can be trusted to be whole: the oldest of the last heartbeats."""
    if status.get("state") == "finished":
        return math.inf
    beats = [_json(path).get("heartbeat_s") for path in folder.glob("progress-*.json")]
    known = [float(beat) for beat in (status.get("last_heartbeat_s"), *beats) if beat is not None]
    if known:
        return min(known)
    ended = calls["ended_s"].max()
    return -math.inf if pd.isna(ended) else float(ended)


def frame_of(table: pa.Table) -> pd.DataFrame:
    """A record table as the frame that the metrics work on."""
    return pd.DataFrame(
        {name: column_of(name, iter(table[name].chunks)) for name in table.column_names}, copy=False
    )
