"""From a run directory to its report: metrics.json, report.html, summary.md and charts/*.svg."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.brief import brief
from reports.charts import Charts, draw
from reports.charts.outcomes import table
from reports.load import load_run
from reports.markdown import summary
from reports.metrics.table import METRICS
from reports.outcomes import judge
from reports.page import page
from reports.staging import stage_of
from reports.summary import build_metrics


@dataclass(frozen=True, slots=True)
class ReportResult:
    """What was written: `path` is report.html, `metrics` the contents of metrics.json."""

    metrics: Mapping[str, Any]
    valid: bool
    partial: bool
    path: Path


def write_report(run_dir: Path) -> ReportResult:
    """Write the whole report of `run_dir` into it, over one that is there.

    The bytes depend on the records alone. Raises `RunDirectoryError` if it is not a run directory.
    """
    run = load_run(run_dir)
    judged = [judge(cell) for cell in run.cells]
    metrics = build_metrics(run, judged)
    stage = stage_of(judged, metrics, run.scenario)
    charts = draw(stage)
    content = brief(run, metrics, stage.phases, {name: metric.better for name, metric in METRICS.items()})
    _write(
        run_dir / "metrics.json", json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    )
    _write_charts(run_dir / "charts", charts)
    _write(run_dir / "summary.md", summary(content))
    path = _write(run_dir / "report.html", page(content, charts, table(stage)))
    return ReportResult(metrics, content.valid, content.partial, path)


def _write_charts(folder: Path, charts: Charts) -> None:
    """All charts; those of an earlier report that are no longer drawn go."""
    folder.mkdir(exist_ok=True)
    drawn = {_write(folder / f"{chart.name}.svg", chart.file) for chart in charts.all()}
    for stale in set(folder.glob("*.svg")) - drawn:
        stale.unlink()


def _write(path: Path, text: str) -> Path:
    """The file appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    return part.replace(path)
