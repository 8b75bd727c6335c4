"""From a run directory to its report: metrics.json, report.html, summary.md and charts/*.svg."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from windtunnel.harness.contract.files import write_json, write_whole
from windtunnel.reports.charts import Charts, draw
from windtunnel.reports.charts.from_cells import client_view, run_view
from windtunnel.reports.charts.outcomes import table
from windtunnel.reports.charts.view import ClientView, RunView
from windtunnel.reports.figures.ab_json import ab_json
from windtunnel.reports.figures.cell import MeasuredCell
from windtunnel.reports.figures.cells import MeasuredRun, measure_run, view_of
from windtunnel.reports.figures.collect import run_figures
from windtunnel.reports.figures.metrics_json import as_json
from windtunnel.reports.figures.model import RunFigures
from windtunnel.reports.figures.seeds import median_repeat
from windtunnel.reports.figures.server_view import ServerView, server_view
from windtunnel.reports.figures.two_clients import TwoClients
from windtunnel.reports.grid.build import grid_of, is_varied
from windtunnel.reports.grid.files import grid_csv, grid_json
from windtunnel.reports.grid.sample import sample
from windtunnel.reports.grid.timeouts import timeouts_of, times_of
from windtunnel.reports.page.content import ReportContent, content_of
from windtunnel.reports.page.grid_tables import grid_text
from windtunnel.reports.page.grid_words import cell_times
from windtunnel.reports.page.html import page
from windtunnel.reports.page.markdown import summary
from windtunnel.reports.page.regions import region_rows
from windtunnel.reports.page.seeds import pictures, seeds_text
from windtunnel.reports.page.server_page import server_page, server_summary, server_text
from windtunnel.reports.page.two_clients import AbText, ab_text
from windtunnel.reports.page.two_clients_forms import ab_markdown, ab_page
from windtunnel.reports.read.journal import read_journal
from windtunnel.reports.read.run_dir import open_run

MOST_SHOWN: Final = 8
"""Cells of a run that varies that have charts and columns of their own: more of them are no page that is read."""


@dataclass(frozen=True, slots=True)
class ReportResult:
    """What was written: `path` is report.html, `figures` what metrics.json holds, `content` its words."""

    figures: RunFigures
    valid: bool
    partial: bool
    path: Path
    content: ReportContent


def write_report(
    run_dir: Path, *, on_progress: Callable[[int, int], None] = lambda done, of: None
) -> ReportResult:
    """Write the whole report of `run_dir` into it, over one that is there; tell `on_progress` how many cells are done.

    The bytes depend on the records alone. Raises `RunDirectoryError` if it is not a run directory.
    """
    if is_varied(open_run(run_dir)):
        return _write_varied(run_dir, on_progress)
    found = measure_run(run_dir, client_view, on_progress=on_progress)
    run = found.run
    figures = run_figures(run, found.cells, left_out=found.left_out)
    repeat = None if figures.seeds is None else median_repeat(figures.cells)
    view = _shown(found, repeat)
    content = content_of(run, figures, view.phases)
    if repeat is not None:
        content = replace(content, seeds=seeds_text(run, figures, repeat, found.left_out))
    charts = draw(view, pictures(figures) if repeat is not None else ())
    return _written(run_dir, figures, as_json(figures), view, content, charts)


def _write_varied(run_dir: Path, on_progress: Callable[[int, int], None]) -> ReportResult:
    """Write the report of a run whose scenario varies: the grid of all cells, and more of those that are its answer."""
    measured = measure_run(run_dir, sample, of_seeds=True, on_progress=on_progress)
    run, scenario = measured.run, measured.run.scenario
    figures = run_figures(run, measured.cells, left_out=measured.left_out)
    grid = grid_of(run, figures, measured.views)
    repeat = None if figures.seeds is None else median_repeat(figures.cells)
    shown = [one for one in _chosen(measured, repeat) if one.cell.client in grid.shown[:MOST_SHOWN]]
    times = {
        one.cell.client: view_of(run, one.cell.plan, one.figures, times_of).with_openings(
            grid.openings(one.cell.client)
        )
        for one in shown
        if timeouts_of(scenario)
    }
    views = [view_of(run, one.cell.plan, one.figures, client_view) for one in shown]
    view = run_view([one.cell for one in shown], views)
    names = {one.cell.client for one in shown}
    few = replace(
        figures,
        clients={name: own for name, own in figures.clients.items() if name in names},
        judgements=tuple(one for one in figures.judgements if one.client in names),
    )
    content = replace(
        content_of(run, few, view.phases),
        grid=grid_text(grid, times, timeouts_of(scenario)),
        elsewhere=tuple(one for one in figures.judgements if one.client not in names),
    )
    if repeat is not None:
        content = replace(content, seeds=seeds_text(run, few, repeat, measured.left_out))
    charts = draw(view, pictures(few) if repeat is not None else (), cell_times(grid))
    write_whole(run_dir / "grid.csv", grid_csv(grid))
    return _written(run_dir, figures, as_json(figures, grid_json(grid)), view, content, charts)


def _written(
    run_dir: Path,
    figures: RunFigures,
    metrics: Mapping[str, Any],
    view: RunView,
    content: ReportContent,
    charts: Charts,
) -> ReportResult:
    content = replace(content, regions=region_rows(view))
    text = json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(run_dir / "metrics.json", text + "\n")
    _write_charts(run_dir / "charts", charts)
    write_whole(run_dir / "summary.md", summary(content))
    path = write_whole(run_dir / "report.html", page(content, charts, table(view)))
    return ReportResult(figures, figures.state != "invalid", content.partial, path, content)


def figures_of(run_dir: Path) -> RunFigures:
    """The figures of a run, without a report. Raises `RunDirectoryError` if it is not a run directory."""
    found = measure_run(run_dir, client_view)
    return run_figures(found.run, found.cells, left_out=found.left_out)


def write_server_report(folder: Path) -> ServerView:
    """Write the server's view of what `windtunnel serve --journal` left in `folder`: server_view.json, page, summary.

    Raises `RunDirectoryError` if there are no such records.
    """
    view = server_view(read_journal(folder))
    words = server_text(view, folder.resolve().name)
    write_json(folder / "server_view.json", view.as_json(), indent=1)
    write_whole(folder / "summary.md", server_summary(words))
    write_whole(folder / "report.html", server_page(words))
    return view


def write_comparison(folder: Path, found: TwoClients) -> AbText:
    """Write a comparison of two clients into `folder`: ab.json, ab.html and summary.md."""
    words = ab_text(found)
    write_json(folder / "ab.json", ab_json(found, folder), indent=1)
    write_whole(folder / "summary.md", ab_markdown(words))
    write_whole(folder / "ab.html", ab_page(words))
    return words


def _chosen(found: MeasuredRun[Any], repeat: int | None) -> list[MeasuredCell]:
    """Of each client its cell in `repeat`, else its first one."""
    first = {
        one.cell.client: one for one in sorted(found.cells, key=lambda one: one.cell.repeat, reverse=True)
    }
    chosen = first | {one.cell.client: one for one in found.cells if one.cell.repeat == repeat}
    return [chosen[client] for client in found.run.clients]


def _shown(found: MeasuredRun[ClientView], repeat: int | None) -> RunView:
    """What charts are drawn from: of each client its cell in `repeat`, else its first one."""
    run, shown = found.run, _chosen(found, repeat)
    views = [
        found.views.get(one.cell.client) or view_of(run, one.cell.plan, one.figures, client_view)
        for one in shown
    ]
    return run_view([one.cell for one in shown], views)


def _write_charts(folder: Path, charts: Charts) -> None:
    """All charts; those of an earlier report that are no longer drawn go."""
    folder.mkdir(exist_ok=True)
    drawn = {write_whole(folder / f"{chart.name}.svg", chart.file) for chart in charts.all()}
    for stale in set(folder.glob("*.svg")) - drawn:
        stale.unlink()
