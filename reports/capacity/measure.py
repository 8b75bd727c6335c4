"""From the run of one cell to what a level is judged by: the figures of its batches, the waits of its calls."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from windtunnel.harness.contract.capacity import BATCH, SHOWN, LevelCell
from windtunnel.reports.capacity.flow import bills_of, flows_of
from windtunnel.reports.errors import ReportsError
from windtunnel.reports.figures.cells import measure_run
from windtunnel.reports.figures.model import CellFigures
from windtunnel.reports.read.outcomes import Judged


def measure_level(folder: Path, metrics: Collection[str] = SHOWN) -> LevelCell:
    """Measure the one cell of a level's run: the `metrics` of each of its batches, and what passed in them."""
    try:
        found = measure_run(folder, _level_cell, only=metrics)
    except ReportsError as error:
        return LevelCell((), (), (), 0, 0, 0, 0, 1.0, str(error))
    (cell,) = found.views.values()
    return cell


def _level_cell(judged: Judged, figures: CellFigures, _: Mapping[str, Any]) -> LevelCell:
    phases = [phase for phase in judged.cell.phases if phase.name.startswith(BATCH)]
    first, last = phases[0].index, phases[-1].index
    calls = judged.calls[["intended_s", "wait_s", "phase_i"]]
    in_batches = calls["phase_i"].between(first, last)
    served = judged.served.frame(["call", "status", "tokens_billed", "prompt_tokens_billed"])
    counted = np.flatnonzero(in_batches.to_numpy())
    served = served[served["call"].isin(counted)]
    return LevelCell(
        batches=tuple(
            {name: figures.number(name, phase.name) for name in figures.phases[phase.name]}
            for phase in phases
        ),
        starts_s=tuple(phase.start_s for phase in phases),
        waits=tuple(zip(calls["intended_s"].tolist(), calls["wait_s"].tolist(), strict=True)),
        calls=int(in_batches.sum()),
        attempts=len(served),
        tokens=int(served[["tokens_billed", "prompt_tokens_billed"]].sum().sum()),
        refused_429=int((served["status"] == 429).sum()),
        length_s=phases[-1].end_s - phases[0].start_s,
        trouble=_trouble(figures),
        flows=flows_of(judged, phases),
        bills=bills_of(judged, phases),
        refused_503=int((served["status"] == 503).sum()),
    )


def _trouble(figures: CellFigures) -> str:
    """Why the cell does not count; empty if it does."""
    invalid = [check.sentence for check in figures.checks if check.state == "invalid"]
    if not figures.measured:
        error = f": {figures.errors[0].type}: {figures.errors[0].message}" if figures.errors else ""
        return f"none of its requests reached the mock{error}"
    return "; ".join(invalid)
