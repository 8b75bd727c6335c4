"""The figures of one cell, from its judged records."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from windtunnel.reports.figures.client_errors import errors_of
from windtunnel.reports.figures.damages import is_partial, without_lost
from windtunnel.reports.figures.model import CellFigures
from windtunnel.reports.figures.validity import check_cell
from windtunnel.reports.findings.table import findings_of
from windtunnel.reports.metrics.cohort import cohort_of
from windtunnel.reports.metrics.figure import Figure, Figures
from windtunnel.reports.metrics.table import measure
from windtunnel.reports.read.outcomes import Judged
from windtunnel.reports.read.run_dir import CellRecords, RecordedPhase

NOT_REACHED: Final = "none of its requests reached the mock"


@dataclass(frozen=True, slots=True)
class MeasuredCell:
    """One cell: what is known of it without its records, and its figures."""

    cell: CellRecords
    figures: CellFigures


def figures_of(
    judged: Judged, scenario: Mapping[str, Any], only: Collection[str] | None = None
) -> CellFigures:
    """Every figure of a cell, and the checks of its measurement; with `only` these metrics, and no findings."""
    cell = judged.cell
    measured = has_reached_the_mock(judged)

    def of(phase: RecordedPhase | None) -> Figures:
        figures = measure(cohort_of(judged, scenario, phase), only)
        return without_lost(figures if measured else not_measured(figures), cell.damages)

    overall, phases = of(None), {phase.name: of(phase) for phase in cell.phases}
    findings = findings_of(judged, overall, scenario) if measured and only is None else ()
    judged.attempts.store.forget()
    return CellFigures(
        client=cell.client,
        repeat=cell.repeat,
        seed=cell.plan.get("run_seed"),
        digest=cell.digest,
        wire_digest=cell.wire_digest,
        partial=is_partial(judged),
        checks=check_cell(judged),
        calls=int(judged.calls["judged"].sum()),
        errors=errors_of(judged),
        damages=tuple(damage.text for damage in cell.damages),
        measured=measured,
        findings=findings,
        overall=overall,
        phases=phases,
    )


def has_reached_the_mock(judged: Judged) -> bool:
    """Whether the cell says anything of its client: some request reached the mock, or could not because of a fault.

    What a client sheds by its own decision is measured as well.
    """
    calls = judged.calls[judged.calls["judged"]]
    arrived = (judged.served["arrived_s"] >= judged.cell.start_s).any()
    if calls.empty or arrived or (calls["outcome"] == "shed").any():
        return True
    plan = judged.cell.plan.get("server_plan") or {}
    rules = plan.get("rules") or any(phase.get("rules") for phase in plan.get("phases") or [])
    return bool(rules) and not judged.attempts.empty


def not_measured(figures: Figures) -> Figures:
    """What a client that never got as far as the mock leaves of its figures: how many calls were offered."""
    return {
        name: figure if name == "offered" else Figure(None, reason=NOT_REACHED)
        for name, figure in figures.items()
    }
