"""The figures of one cell, from its judged records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from windtunnel.reports.figures.client_errors import errors_of
from windtunnel.reports.figures.damages import without_lost
from windtunnel.reports.figures.model import CellFigures
from windtunnel.reports.figures.validity import check_cell
from windtunnel.reports.metrics.cohort import cohort_of
from windtunnel.reports.metrics.table import measure
from windtunnel.reports.read.outcomes import Judged
from windtunnel.reports.read.run_dir import CellRecords


@dataclass(frozen=True, slots=True)
class MeasuredCell:
    """One cell: what is known of it without its records, and its figures."""

    cell: CellRecords
    figures: CellFigures


def figures_of(judged: Judged, scenario: Mapping[str, Any]) -> CellFigures:
    """Every figure of a cell, and the checks of its measurement."""
    cell = judged.cell
    return CellFigures(
        client=cell.client,
        repeat=cell.repeat,
        seed=cell.plan.get("run_seed"),
        digest=cell.digest,
        partial=cell.partial or (not cell.damages and bool((judged.calls["outcome"] == "unknown").any())),
        checks=check_cell(judged),
        calls=int(judged.calls["judged"].sum()),
        errors=errors_of(judged),
        damages=tuple(damage.text for damage in cell.damages),
        overall=without_lost(measure(cohort_of(judged, scenario)), cell.damages),
        phases={
            phase.name: without_lost(measure(cohort_of(judged, scenario, phase)), cell.damages)
            for phase in cell.phases
        },
    )
