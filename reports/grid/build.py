"""From a varied run and its figures to a Grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from windtunnel.harness.contract.cells import base_of
from windtunnel.reports.figures.model import CellFigures, RunFigures
from windtunnel.reports.figures.validity import worst_state
from windtunnel.reports.grid.best import LEAST_PAIRS, best_of
from windtunnel.reports.grid.model import CellSample, Grid, GridCell, Setting, Sure
from windtunnel.reports.grid.sample import grid_metric
from windtunnel.reports.metrics.figure import NO_FIGURE
from windtunnel.reports.read.run_dir import Run


def is_varied(plan: Mapping[str, Any]) -> bool:
    """Whether the run of a plan has a grid."""
    return any(cell.get("varied") for cell in plan["cells"])


def grid_of(run: Run, figures: RunFigures, samples: Mapping[str, CellSample]) -> Grid:
    """The grid of a run that varies; `samples` by cell, of those whose first repeat was sampled."""
    scenario = run.scenario
    values: dict[str, tuple[Setting, ...]] = {key: tuple(found) for key, found in scenario["vary"].items()}
    wish = scenario.get("grid") or {}
    metric = grid_metric(scenario)
    columns = str(wish.get("columns") or next(key for key in values if key != wish.get("rows")))
    left = [key for key in values if key != columns]
    rows = wish.get("rows") or (left[0] if left else None)
    repeats = len({cell.repeat for cell in figures.cells}) >= LEAST_PAIRS
    places = {cell["client"]: cell["varied"] for cell in run.plan["cells"]}
    cells = tuple(
        _cell(name, places[name], figures, metric, samples.get(name), repeats) for name in figures.clients
    )
    clients = tuple(dict.fromkeys(cell.client for cell in cells))
    order = {key: values[key] for key in sorted(left, key=lambda key: key != rows)}
    return Grid(
        metric=metric,
        columns=columns,
        rows=rows,
        panels=tuple(key for key in left if key != rows),
        values=values,
        clients=clients,
        cells=cells,
        bests=tuple(
            best_of(client, value, _column(cells, client, columns, value), metric, order)
            for client in clients
            for value in values[columns]
            if _column(cells, client, columns, value)
        ),
        sure=_sure(cells, repeats),
    )


def _sure(cells: Sequence[GridCell], repeats: bool) -> Sure:
    if repeats:
        return "repeats"
    return "stretches" if any(len(cell.series) >= LEAST_PAIRS for cell in cells) else ""


def _column(cells: Sequence[GridCell], client: str, columns: str, value: Setting) -> tuple[GridCell, ...]:
    return tuple(cell for cell in cells if cell.client == client and cell.at[columns] == value)


def _cell(
    name: str,
    at: Mapping[str, Setting],
    figures: RunFigures,
    metric: str,
    sample: CellSample | None,
    repeats: bool,
) -> GridCell:
    own, plays = figures.clients[name], figures.cells_of(name)
    series = tuple(_number(play, metric) for play in plays) if repeats else sample.stretches if sample else ()
    return GridCell(
        name=name,
        client=base_of(name),
        at=at,
        figure=own.overall.get(metric, NO_FIGURE),
        goodput=own.number("goodput"),
        trouble=_trouble(plays, measured=own.measured),
        series=series,
        sample=sample,
    )


def _number(play: CellFigures, metric: str) -> float:
    value = play.number(metric)
    return float("nan") if value is None else value


def _trouble(plays: Sequence[CellFigures], *, measured: bool) -> str:
    """Why figures say nothing of a cell: windtunnel was late, nothing arrived, or it was cut off."""
    if worst_state(check for play in plays for check in play.checks) == "invalid":
        return "not valid"
    if not measured:
        return "not measured"
    return "cut off" if not plays or any(play.partial for play in plays) else ""
