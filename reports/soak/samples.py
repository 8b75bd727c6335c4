"""From the records of a soak to series in steps of ten seconds.

calls, connections, watch files ──► SoakRecords: its cycles, and a value of each measure every ten seconds (NaN: none)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from windtunnel.harness.contract.files import CYCLE_MARK, PART_MARK
from windtunnel.harness.contract.steps import read_steps
from windtunnel.harness.contract.watch import WatchMark
from windtunnel.reports.read.outcomes import Floats, Judged
from windtunnel.reports.read.run_dir import CellRecords
from windtunnel.reports.soak.cycles import CyclePhase
from windtunnel.reports.soak.finding import Measure
from windtunnel.reports.soak.judge import SoakSeries
from windtunnel.reports.soak.kept import calls_seen, with_steps
from windtunnel.reports.soak.watched import watched_series, without_holes

STEP_S: Final = 10.0

REAL_SLACK: Final = 2.5
"""In real time a change of waits must be so many times as large: who shares the machine moves them by tens of ms."""


@dataclass(frozen=True, slots=True, eq=False)
class SoakRecords:
    """What one client did over the whole soak."""

    client: str
    phases: tuple[CyclePhase, ...]
    series: tuple[SoakSeries, ...]
    calls: int
    holes: tuple[WatchMark, ...] = ()
    """Times of which nothing is known, and why: every series has no value there."""

    def aggregates(self) -> pd.DataFrame:
        """All series, a row for each step."""
        first = self.series[0]
        return pd.DataFrame(
            {"at_s": first.at_s} | {series.measure.name: series.values for series in self.series}
        )


def soak_records(judged: Judged, folder: Path) -> SoakRecords:
    """The series of a cell of the soak in `folder`."""
    cell = judged.cell
    edges = np.arange(cell.start_s, judged.end_s + STEP_S / 2, STEP_S)
    at_s = edges[:-1] + STEP_S / 2
    calls = judged.calls[judged.calls["judged"]]
    watched = watched_series((folder, cell.folder), cell.client, edges, virtual=cell.virtual)
    measures = {**watched.measures, **measures_of(cell)}
    steps = read_steps(cell.folder)
    of_calls = with_steps(_of_calls(calls, edges) | _open(judged, at_s), at_s, steps)
    values = {**of_calls, **watched.values}
    series = tuple(
        SoakSeries(measures[name], at_s, without_holes(at_s, found, watched.marks, STEP_S))
        for name, found in values.items()
    )
    return SoakRecords(cell.client, cycle_phases(cell), series, calls_seen(calls, steps), watched.marks)


def cycle_phases(cell: CellRecords) -> tuple[CyclePhase, ...]:
    """The phases of the soak, with the number of their cycle from 0."""
    found = []
    for phase in cell.phases:
        name, mark, number = phase.name.rpartition(CYCLE_MARK)
        cycle = int(number) - 1 if mark and number.isdigit() else 0
        name = name.partition(PART_MARK)[0]
        found.append(CyclePhase(cycle, name or phase.name, phase.start_s, phase.end_s, phase.faulty))
    return tuple(found)


def measures_of(cell: CellRecords) -> Mapping[str, Measure]:
    """What is watched of a client, and where each of it hurts."""
    pool = _setting(cell.plan, "profile", "pool", "connections")
    most = float(pool) * int(cell.plan["load"].get("instances") or 1) if isinstance(pool, int) else None
    deadline = cell.deadline_s if math.isfinite(cell.deadline_s) else None
    slack = 1.0 if cell.virtual else REAL_SLACK
    late, full = "calls miss their deadline", "the connection pools are full"
    found = (
        Measure("lost", "connections that no call holds", "", least=3, many=True, limit=most, why=full),
        Measure("connections", "open connections", "", least=5, least_share=0.2, many=True, limit=most, why=full),
        Measure("in_flight", "calls under way", "", least=3, least_share=0.2, many=True),
        Measure("median_s", "the median wait", "s", 0.02 * slack, 0.1, relative=True, healthy_phases_only=True,
                limit=deadline, why=late),
        Measure("p95_s", "the 95th percentile of the wait", "s", 0.05 * slack, 0.15, relative=True,
                healthy_phases_only=True, limit=deadline, why=late),
        Measure("goodput", "goodput", "", 0.01, falls=True, healthy_phases_only=True, by_mean=True),
    )  # fmt: skip
    return {one.name: one for one in found}


def _of_calls(calls: pd.DataFrame, edges: Floats) -> dict[str, Floats]:
    """Waits and goodput of the calls that were due in each step."""
    place = np.searchsorted(edges, calls["intended_s"].to_numpy(dtype=float), side="right") - 1
    good = calls["good"].to_numpy(dtype=bool)
    steps = range(len(edges) - 1)
    waits = calls["wait_s"][good].groupby(place[good])
    share = pd.Series(good.astype(float)).groupby(place).mean()
    return {
        "median_s": waits.median().reindex(steps).to_numpy(dtype=float),
        "p95_s": waits.quantile(0.95).reindex(steps).to_numpy(dtype=float),
        "goodput": share.reindex(steps).to_numpy(dtype=float),
    }


def _open(judged: Judged, at_s: Floats) -> dict[str, Floats]:
    """How many calls were under way, and how many connections were open as the server saw it."""
    cell, calls = judged.cell, judged.calls
    found = {"in_flight": _between(calls["started_s"], calls["ended_s"], at_s)}
    if cell.connections is not None:
        found["connections"] = _between(cell.connections["opened_s"], cell.connections["closed_s"], at_s)
    return found


def _between(begin: pd.Series[float], end: pd.Series[float], at_s: Floats) -> Floats:
    begun = np.sort(begin.dropna().to_numpy(dtype=float))
    over = np.sort(end[begin.notna()].dropna().to_numpy(dtype=float))
    count = np.searchsorted(begun, at_s, side="right") - np.searchsorted(over, at_s, side="right")
    return count.astype(float)


def _setting(plan: Mapping[str, Any], *path: str) -> Any:
    found: Any = plan
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
