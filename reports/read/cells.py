"""Cells of a run, measured one by one: records are read, become figures, and are let go.

few cells   ─► here, and their records stay for the charts
many cells  ─► worker processes, a cell at a time each; only the figures come back
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd

from windtunnel.reports.figures.validity import ValidityCheck, check_cell
from windtunnel.reports.metrics.cohort import cohort_of
from windtunnel.reports.metrics.table import measure
from windtunnel.reports.read.outcomes import Judged, judge
from windtunnel.reports.read.run_dir import CellRecords, Run, load_cell, open_run, was_played

FEW: Final = 12
"""Cells whose records are held in memory all at once."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One cell: its facts without its records, what was checked, and its element of metrics.json's `cells`."""

    cell: CellRecords
    checks: tuple[ValidityCheck, ...]
    entry: dict[str, Any]


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """A run whose cells hold no records. `judged` are the cells, judged, where they were few. `left_out` cells of a run
    over seeds were not played to their end, and are not in `run`."""

    run: Run
    cells: tuple[Measured, ...]
    judged: tuple[Judged, ...] | None
    left_out: int


def measure_run(
    path: Path, *, on_progress: Callable[[int, int], None] = lambda done, of: None
) -> MeasuredRun:
    """Measure every cell of a run directory; `on_progress` is told how many are done. Raises `RunDirectoryError`."""
    plan = open_run(path)
    entries = list(plan["cells"])
    if plan.get("seeds"):
        played = [entry for entry in entries if was_played(path, entry)]
        entries = played or entries
    left_out = len(plan["cells"]) - len(entries)
    if len(entries) <= FEW:
        judged = tuple(judge(load_cell(path, plan, entry)) for entry in entries)
        cells = [measure_cell(one, plan["scenario"]) for one in judged]
        run = Run(path, plan, tuple(one.cell for one in cells))
        return MeasuredRun(run, tuple(cells), judged, left_out)
    cells = _in_processes(path, {"scenario": plan["scenario"]}, entries, on_progress)
    return MeasuredRun(Run(path, plan, tuple(one.cell for one in cells)), tuple(cells), None, left_out)


def _in_processes(
    path: Path,
    plan: Mapping[str, Any],
    entries: Sequence[Mapping[str, Any]],
    on_progress: Callable[[int, int], None],
) -> list[Measured]:
    """Measure in as many processes as there are cores. They start clean: this one may have threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["windtunnel.reports.read.cells"])
    cells = []
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(entries)), mp_context=context) as pool:
        for cell in pool.map(partial(_measured_at, path, plan), entries, chunksize=2):
            cells.append(cell)
            on_progress(len(cells), len(entries))
    return cells


def _measured_at(path: Path, plan: Mapping[str, Any], entry: Mapping[str, Any]) -> Measured:
    return measure_cell(judge(load_cell(path, plan, entry)), plan["scenario"])


def measure_cell(judged: Judged, scenario: Mapping[str, Any]) -> Measured:
    """The figures of one cell."""
    cell = judged.cell
    checks = check_cell(judged)
    run_seed = cell.plan.get("run_seed")
    entry = {
        "client": cell.client,
        "repeat": cell.repeat,
        **({} if run_seed is None else {"seed": run_seed}),
        **({} if cell.digest is None else {"digest": cell.digest}),
        "partial": cell.partial or bool((judged.calls["outcome"] == "unknown").any()),
        "valid": all(check.passed for check in checks),
        "validity": {check.name: check.value for check in checks},
        "overall": measure(cohort_of(judged, scenario)),
        "phases": {phase.name: measure(cohort_of(judged, scenario, phase)) for phase in cell.phases},
    }
    return Measured(_without_records(cell), checks, entry)


def _without_records(cell: CellRecords) -> CellRecords:
    empty = pd.DataFrame()
    return replace(
        cell,
        schedule=empty,
        calls=empty,
        attempts=empty,
        served=empty,
        lags=empty,
        gaps=empty,
        connections=None,
    )
