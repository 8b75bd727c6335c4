"""Where to look on: for an expectation that did not hold, the call that shows best why, and how to see it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from windtunnel.harness.contract.records import SCHEDULE_SCHEMA
from windtunnel.reports.check.model import Example, GoodputStrip
from windtunnel.reports.check.strips import strip_of
from windtunnel.reports.figures.cells import MeasuredRun
from windtunnel.reports.figures.model import CellFigures
from windtunnel.reports.figures.seeds import median_repeat
from windtunnel.reports.page.labels import say
from windtunnel.reports.read.columns import Ints
from windtunnel.reports.read.outcomes import Judged, judge
from windtunnel.reports.read.run_dir import load_cell
from windtunnel.reports.read.tables import read_table

BY_ATTEMPTS: Final = (
    "amplification",
    "client_amplification",
    "load_factor",
    "peak_amplification",
    "retry_yield",
    "retry_synchrony",
    "retry_after_violations",
    "wasted_work",
    "cost_usd",
    "duplicate_effects",
)
"""Metrics of which the call with the most attempts tells most; of others it is the worst call, or the longest."""


class Examples:
    """The records of a run, cell by cell; they are read when they are asked for."""

    def __init__(self, measured: MeasuredRun[None]) -> None:
        self._measured = measured
        self._judged: dict[tuple[str, int], Judged] = {}

    def strip(self, client: str, cells: Sequence[CellFigures]) -> GoodputStrip:
        """The client's goodput over time: of all its cells where they are few, else of the median seed."""
        if self._measured.has_few_cells:
            return strip_of([self._cell(client, cell.repeat) for cell in cells if cell.client == client])
        return strip_of([self._cell(client, median_repeat(cells))])

    def look(
        self, metric: str, phase: str | None, client: str, cell: CellFigures | None, clock: str
    ) -> Example | None:
        """The call of `cell` that shows best why a metric is as it is; None if there is none."""
        if cell is None:
            return None
        folder = self._measured.run.path
        found = self._call(self._cell(client, cell.repeat), metric, phase)
        if found is None:
            return None
        call, told = found
        if clock != "virtual":
            return Example(f"call {call} in cells/{client}-{cell.repeat}/calls.parquet", told)
        several = len([one for one in self._measured.cells if one.cell.client == client]) > 1
        words = ["windtunnel", "replay", str(folder), "--client", client, "--call", call]
        return Example(shlex.join([*words, *(("--repeat", str(cell.repeat)) if several else ())]), told)

    def _cell(self, client: str, repeat: int) -> Judged:
        key = (client, repeat)
        if key not in self._judged:
            run = self._measured.run
            entry = next(one.plan for one in run.cells if (one.client, one.repeat) == key)
            self._judged[key] = judge(load_cell(run.path, run.plan, entry))
        return self._judged[key]

    def _call(self, judged: Judged, metric: str, phase: str | None) -> tuple[str, str] | None:
        """A call's id, and in a few words what became of it."""
        calls = judged.calls
        chosen = calls["judged"].to_numpy(dtype=bool)
        index = next((p.index for p in judged.cell.phases if p.name == phase), None)
        if index is not None:
            chosen = chosen & (calls["phase_i"].to_numpy() == index)
        if not chosen.any():
            return None
        of_call = judged.served["call"].to_numpy()
        attempts = np.bincount(of_call[of_call >= 0], minlength=len(calls))
        at = _worst(calls, np.flatnonzero(chosen), attempts, metric)
        call_id = _id_of(judged, float(calls["intended_s"].to_numpy()[at]))
        if call_id is None:
            return None
        wait = float(calls["wait_s"].to_numpy()[at])
        after = "" if np.isnan(wait) else f" after {say(wait, 'seconds')}"
        many = f"{attempts[at]} attempt{'' if attempts[at] == 1 else 's'}"
        return call_id, f"{calls['outcome'].iloc[at]}{after}, {many}"


def _worst(calls: pd.DataFrame, rows: Ints, attempts: Ints, metric: str) -> int:
    """The row, among `rows`, of the call that tells most of a metric."""
    if metric in BY_ATTEMPTS:
        return int(rows[attempts[rows].argmax()])
    if metric == "silent_corruption":
        broken = calls["outcome"].to_numpy()[rows] == "corrupt"
    else:
        broken = ~calls["good"].to_numpy(dtype=bool)[rows]
    rows = rows[broken] if broken.any() else rows
    waits = np.nan_to_num(calls["wait_s"].to_numpy(dtype=float)[rows], nan=np.inf)
    return int(rows[waits.argmax()])


def _id_of(judged: Judged, intended_s: float) -> str | None:
    """The id of the call that was due at a moment, as the records write it."""
    cell = judged.cell
    table, _ = read_table(cell.folder, "schedule", SCHEDULE_SCHEMA, finished=not cell.partial, optional=True)
    if not table.num_rows:
        return None
    at = np.abs(table["intended_s"].to_numpy() - intended_s)
    return str(table["call_id"][int(at.argmin())])
