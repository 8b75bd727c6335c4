"""Cells of a run, measured one by one: records are read, become figures and what charts need, and are let go.

little to read ─► here, one after the other
more           ─► worker processes, a cell at a time each; as many as there are cores, and memory for such cells
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeAlias, TypeVar

import pandas as pd
import pyarrow as pa

from windtunnel.reports.figures.cell import MeasuredCell, figures_of
from windtunnel.reports.figures.model import CellFigures
from windtunnel.reports.read.columns import Records
from windtunnel.reports.read.memory import give_back
from windtunnel.reports.read.outcomes import Judged, judge
from windtunnel.reports.read.run_dir import CellRecords, Run, load_cell, open_run, was_played
from windtunnel.reports.read.tables import rows_of

FEW: Final = 12
"""Cells that are measured here, if they are small: starting other processes would take longer."""
LITTLE: Final = 300_000
"""Records of a run up to which its cells are small."""
MEMORY_BYTES: Final = 1600 << 20
"""What worker processes may take all together, where there is a choice."""
WORKER_BYTES: Final = 150 << 20
"""What one takes for itself."""
RECORD_BYTES: Final = 120
"""What one takes for each record of its cell: measured by `windtunnel calibrate --only report`."""

_T = TypeVar("_T")
View: TypeAlias = Callable[[Judged, CellFigures, Mapping[str, Any]], _T]
"""What is kept of a judged cell, its figures and the scenario, before its records are let go."""


@dataclass(frozen=True, slots=True)
class MeasuredRun(Generic[_T]):
    """A run whose cells hold no records, and what was kept of the first repeat of each client.

    Nothing is kept of a run over seeds: which cell shows it, its figures say. `left_out` cells of such a run were not
    played to their end, and are not in `run`.
    """

    run: Run
    cells: tuple[MeasuredCell, ...]
    views: Mapping[str, _T]
    left_out: int

    @property
    def has_few_cells(self) -> bool:
        """Whether all of them can be looked at one by one."""
        return len(self.cells) <= FEW


def measure_run(
    path: Path,
    view: View[_T] | None = None,
    *,
    of_seeds: bool = False,
    only: Collection[str] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> MeasuredRun[_T]:
    """Measure every cell of a run directory, and keep a `view` (one that can be pickled), if asked, of those shown.

    `of_seeds`: keep it of first repeats in a run over seeds, too; otherwise such a run has none. `only`: measure no
    other metrics, and find no findings, which need them all.
    `on_progress` is told how many are done where that may take long. Raises `RunDirectoryError`.
    """
    plan = open_run(path)
    entries = list(plan["cells"])
    if plan.get("seeds"):
        played = [entry for entry in entries if was_played(path, entry)]
        entries = played or entries
    shown: set[int] = set()
    if of_seeds or not plan.get("seeds"):
        shown = set(_first_repeats(entries))
    jobs = [(entry, view if number in shown else None) for number, entry in enumerate(entries)]
    measure: Callable[[_Job[_T]], tuple[MeasuredCell, _T | None]]
    measure = partial(_measured_at, path, {"scenario": plan["scenario"]}, only)
    workers = _workers([rows_of(path, entry) for entry in entries])
    found = list(map(measure, jobs)) if workers == 1 else _in_processes(measure, jobs, workers, on_progress)
    cells = tuple(cell for cell, _ in found)
    return MeasuredRun(
        Run(path, plan, tuple(one.cell for one in cells)),
        cells,
        {cell.cell.client: kept for cell, kept in found if kept is not None},
        len(plan["cells"]) - len(entries),
    )


def _first_repeats(entries: Sequence[Mapping[str, Any]]) -> list[int]:
    """Which cells are the first repeat of their client."""
    first: dict[str, int] = {}
    for number, entry in enumerate(entries):
        client = str(entry.get("client"))
        if client not in first or entry.get("repeat", 0) < entries[first[client]].get("repeat", 0):
            first[client] = number
    return list(first.values())


def _workers(records: Sequence[int]) -> int:
    """In how many processes the cells with so many records are measured; 1: in this one."""
    if len(records) <= FEW and sum(records) <= LITTLE:
        return 1
    there_is_room_for = MEMORY_BYTES // (WORKER_BYTES + RECORD_BYTES * max(records))
    return max(1, min(os.cpu_count() or 1, len(records), there_is_room_for))


def _in_processes(
    measure: Callable[[_Job[_T]], tuple[MeasuredCell, _T | None]],
    jobs: Sequence[_Job[_T]],
    workers: int,
    on_progress: Callable[[int, int], None],
) -> list[tuple[MeasuredCell, _T | None]]:
    """Measure in worker processes. They start clean: this one may have threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["windtunnel.reports.figures.cells"])
    found = []
    at_once = 2 if len(jobs) > FEW else 1
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for one in pool.map(measure, jobs, chunksize=at_once):
            found.append(one)
            on_progress(len(found), len(jobs))
    return found


_Job: TypeAlias = tuple[Mapping[str, Any], View[_T] | None]
"""A cell of the plan, and how it is shown, if it is."""


def _measured_at(
    path: Path, plan: Mapping[str, Any], only: Collection[str] | None, job: _Job[_T]
) -> tuple[MeasuredCell, _T | None]:
    entry, view = job
    judged = judge(load_cell(path, plan, entry))
    figures = figures_of(judged, plan["scenario"], only)
    kept = None if view is None else view(judged, figures, plan["scenario"])
    cell = MeasuredCell(_without_records(judged.cell), figures)
    del judged
    give_back()
    return cell, kept


def view_of(run: Run, entry: Mapping[str, Any], figures: CellFigures, view: View[_T]) -> _T:
    """The view of one cell of a run whose records were let go: they are read again."""
    return view(judge(load_cell(run.path, run.plan, entry)), figures, run.scenario)


def _without_records(cell: CellRecords) -> CellRecords:
    nothing = Records.of(pa.table({}))
    return replace(
        cell,
        schedule=nothing,
        calls=nothing,
        attempts=nothing,
        served=nothing,
        lags=pd.DataFrame(),
        connections=None,
    )
