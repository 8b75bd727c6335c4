"""`windtunnel replay`: play a recorded cell again up to the end of one call, and tell what happened to that call.

RUN_DIR ──► the cell ──► rerun (a process of its own) ──► its records = the recorded ones so far? ──► timeline
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from windtunnel.harness.contract.files import read_json
from windtunnel.harness.environments.interpreter import InterpreterError, ask
from windtunnel.harness.environments.versions import versions
from windtunnel.harness.errors import InputError, MeasurementError, listing
from windtunnel.harness.plan import CellPlan, RunPlan
from windtunnel.harness.replay.timeline import TimelineEvent, from_json
from windtunnel.harness.run.children import environment, last_line, python
from windtunnel.harness.virtual.digests import UNSTEADY
from windtunnel.mock_server.journal.segments import read_segments

TABLES = ("calls", "attempts", "served")
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of it. `rows` is how many of each table were compared, `differences` what was not as recorded."""

    plan: CellPlan
    call: dict[str, Any] | None
    events: tuple[TimelineEvent, ...]
    rows: dict[str, int]
    differences: tuple[str, ...]

    @property
    def repeats(self) -> bool:
        """Whether everything up to the end of the call was as it is recorded."""
        return not self.differences

    @property
    def start_s(self) -> float:
        """When the call started, in seconds from t0."""
        if self.call is not None and self.call["started_s"] is not None:
            return float(self.call["started_s"])
        return self.events[0].at_s if self.events else 0.0


def replay(
    run_dir: Path,
    call_id: str,
    *,
    client: str | None = None,
    repeat: int | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Replay:
    """Play the call's cell again. `progress` is told the virtual time now and then.

    Raises `InputError` if there is no such cell or call, or the run was not on the virtual clock; `MeasurementError` if
    the cell gets stuck.
    """
    run = RunPlan.read_json(run_dir / "plan.json")
    cell = find_cell(run, run_dir, client, repeat)
    check_call(cell, call_id)
    _check_interpreter(run_dir, cell)
    with tempfile.TemporaryDirectory(prefix="windtunnel-replay-") as made:
        out = Path(made)
        cell.write_json(out / "cell.json")
        _rerun(out, call_id, progress, cell)
        timeline = json.loads((out / "timeline.json").read_text())
        played = {table: read_segments(out.glob(f"{table}-*.arrows")) for table in TABLES}
    rows, differences = compare(run_dir / cell.dir, played)
    if differences:
        differences += moved_versions(run, cell)
    found = played["calls"].filter(pc.equal(played["calls"]["call_id"], call_id)).to_pylist()
    events = tuple(from_json(event) for event in timeline["events"])
    return Replay(cell, found[0] if found else None, events, rows, tuple(differences))


def find_cell(run: RunPlan, run_dir: Path, client: str | None, repeat: int | None) -> CellPlan:
    """The cell of a client and a repeat; without a name the only one there is, or the first repeat."""
    if run.clock != "virtual":
        expected = "a run with --clock virtual: what real time did cannot be done again"
        raise InputError(run_dir, path="clock", found="a run in real time", expected=expected)
    clients = list(dict.fromkeys(cell.client for cell in run.cells))
    if client is None and len(clients) > 1:
        raise InputError(run_dir, path="--client", found="none", expected=listing(clients))
    name = client or clients[0]
    if name not in clients:
        raise InputError(run_dir, path="--client", found=f"'{name}'", expected=listing(clients))
    number = 0 if repeat is None else repeat
    for cell in run.cells:
        if cell.client == name and cell.repeat == number:
            return cell
    repeats = sum(cell.client == name for cell in run.cells)
    raise InputError(run_dir, path="--repeat", found=str(number), expected=f"0 to {repeats - 1}")


def check_call(cell: CellPlan, call_id: str) -> None:
    """Raises `InputError`, naming near ids, if the cell has no such call."""
    ids = [arrival.call_id for arrival in cell.schedule()]
    if call_id in ids:
        return
    near = get_close_matches(call_id, ids, n=3, cutoff=0.5)
    expected = f"the id of one of {len(ids)} calls, {ids[0]} to {ids[-1]}" if ids else "a cell with calls"
    hint = f"near it: {', '.join(near)}" if near else ""
    raise InputError(cell.dir, path="--call", found=f"'{call_id}'", expected=expected, hint=hint)


def _check_interpreter(run_dir: Path, cell: CellPlan) -> None:
    """Raise InputError if the interpreter that played the cell is gone, or has another windtunnel now."""
    if cell.profile.python is None:
        return
    try:
        ask(cell.profile.python)
    except InterpreterError as error:
        raise error.told(str(run_dir), f"the interpreter of {cell.client}") from error


def _rerun(out: Path, call_id: str, progress: Callable[[float], None], cell: CellPlan) -> None:
    """Play the cell in a process of its own. Raises `MeasurementError` if that does not end well."""
    log = out / "rerun.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            python(
                *("-m", "windtunnel.harness.replay.rerun", str(out), call_id, str(out)),
                interpreter=cell.profile.python,
            ),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            cwd=out,
            env=environment({"PYTHONHASHSEED": "0"}, own_code=cell.profile.target is not None),
        )
        try:
            while process.poll() is None:
                progress(float(read_json(out / "progress-0.json").get("heartbeat_s", 0.0)))
                time.sleep(POLL_S)
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise MeasurementError(
            f"the replay stopped (exit code {process.returncode}); its last words: {last_line(log)}"
        )


def compare(folder: Path, played: dict[str, pa.Table]) -> tuple[dict[str, int], list[str]]:
    """Rows compared by table, and the first difference in each; the records are in `folder`."""
    rows: dict[str, int] = {}
    differences: list[str] = []
    cut_off = read_json(folder / "status.json").get("state") != "finished"
    for table, ours in played.items():
        recorded = _recorded(folder, table)
        if recorded is None:
            rows[table] = 0
            continue
        if recorded.num_rows < ours.num_rows and not cut_off:
            differences.append(
                f"{table}: {ours.num_rows} rows so far, recorded are {recorded.num_rows} in all"
            )
        rows[table] = count = min(recorded.num_rows, ours.num_rows)
        found = _first_difference(recorded.slice(0, count), ours.slice(0, count))
        if found:
            differences.append(f"{table}: {found}")
    if not any(rows.values()) and any(table.num_rows for table in played.values()):
        differences.append(f"{folder} has no records to compare with")
    return rows, differences


def _recorded(folder: Path, table: str) -> pa.Table | None:
    path = folder / f"{table}.parquet"
    if path.exists():
        try:
            return pq.read_table(path)
        except pa.ArrowInvalid as error:
            found = f"a damaged table ({error})"
            raise InputError(path, found=found, expected="the records of a run") from None
    segments = list(folder.glob(f"{table}-*.arrows"))
    return read_segments(segments) if segments else None


def _first_difference(recorded: pa.Table, played: pa.Table) -> str:
    """The first cell that differs, in words; empty if none does."""
    columns = [name for name in played.column_names if name not in UNSTEADY]
    if recorded.select(columns).equals(played.select(columns)):
        return ""
    theirs, ours = recorded.select(columns).to_pylist(), played.select(columns).to_pylist()
    for number, (was, came) in enumerate(zip(theirs, ours, strict=True)):
        for name in columns:
            if was[name] != came[name]:
                return f"row {number} ({was['call_id']}): {name} was {was[name]!r}, and is {came[name]!r} now"
    return ""


def moved_versions(run: RunPlan, cell: CellPlan) -> list[str]:
    """What has another version than when the run was played: the likely reason of a difference."""
    now = versions() if cell.profile.python is None else ask(cell.profile.python).versions
    moved = [
        f"{name} was {was}, and is {now.get(name, 'absent')} now"
        for name, was in (cell.versions or run.versions).items()
        if name not in ("system", "cores") and now.get(name) != was
    ]
    return moved or ["all versions are as they were; this is a fault of windtunnel"]
