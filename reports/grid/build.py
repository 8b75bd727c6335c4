"""From a varied run and its figures to a Grid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from windtunnel.harness.contract.cells import base_of
from windtunnel.reports.figures.model import CellFigures, RunFigures
from windtunnel.reports.figures.validity import worst_state
from windtunnel.reports.gate.paired import least_pairs
from windtunnel.reports.grid.best import best_of
from windtunnel.reports.grid.model import Best, CellSample, Grid, GridCell, Setting
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
    pairs = least_pairs(max(1, math.prod(len(values[key]) for key in left) - 1))
    repeats = len({cell.repeat for cell in figures.cells}) >= pairs
    places = {cell["client"]: cell["varied"] for cell in run.plan["cells"]}
    cells = tuple(
        _cell(name, places[name], figures, metric, samples.get(name), repeats) for name in figures.clients
    )
    clients = tuple(dict.fromkeys(cell.client for cell in cells))
    order = {key: values[key] for key in sorted(left, key=lambda key: key != rows)}
    panels = tuple(key for key in left if key != rows)
    return Grid(
        metric=metric,
        columns=columns,
        rows=rows,
        panels=panels,
        values=values,
        clients=clients,
        cells=cells,
        bests=tuple(
            _best(client, value, column, metric, order, panels)
            for client in clients
            for value in values[columns]
            if (column := [one for one in cells if one.client == client and one.at[columns] == value])
        ),
        sure="repeats" if repeats else "stretches" if any(len(one.series) >= pairs for one in cells) else "",
    )


def _best(
    client: str,
    value: Setting,
    column: Sequence[GridCell],
    metric: str,
    order: Mapping[str, Sequence[Setting]],
    panels: Sequence[str],
) -> Best:
    """The best of a column, and what is chosen in the panels in which that is not."""
    best = best_of(client, value, column, metric, order)
    if best.chosen is None:
        return best
    by_panel: dict[tuple[Setting, ...], list[GridCell]] = {}
    for cell in column:
        by_panel.setdefault(tuple(cell.at[key] for key in panels), []).append(cell)
    by_panel.pop(tuple(best.chosen.at[key] for key in panels))
    found = (best_of(client, value, cells, metric, order).chosen for cells in by_panel.values())
    return replace(best, elsewhere=tuple(one for one in found if one is not None))


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
