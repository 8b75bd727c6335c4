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
import pyarrow as pa

from windtunnel.reports.figures.cell import MeasuredCell, figures_of
from windtunnel.reports.read.columns import Records
from windtunnel.reports.read.outcomes import Judged, judge
from windtunnel.reports.read.run_dir import CellRecords, Run, load_cell, open_run, was_played

FEW: Final = 12
"""Cells whose records are held in memory all at once."""


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """A run whose cells hold no records. `judged` are the cells, judged, where they were few. `left_out` cells of a run
    over seeds were not played to their end, and are not in `run`."""

    run: Run
    cells: tuple[MeasuredCell, ...]
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
) -> list[MeasuredCell]:
    """Measure in as many processes as there are cores. They start clean: this one may have threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["windtunnel.reports.read.cells"])
    cells = []
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(entries)), mp_context=context) as pool:
        for cell in pool.map(partial(_measured_at, path, plan), entries, chunksize=2):
            cells.append(cell)
            on_progress(len(cells), len(entries))
    return cells


def _measured_at(path: Path, plan: Mapping[str, Any], entry: Mapping[str, Any]) -> MeasuredCell:
    return measure_cell(judge(load_cell(path, plan, entry)), plan["scenario"])


def measure_cell(judged: Judged, scenario: Mapping[str, Any]) -> MeasuredCell:
    """The figures of one cell, whose records are let go."""
    return MeasuredCell(_without_records(judged.cell), figures_of(judged, scenario))


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
