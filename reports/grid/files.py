"""The grid for other programs: grid.csv, and its part of metrics.json."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from windtunnel.reports.grid.model import PARTS, Best, Grid, GridCell


def grid_csv(grid: Grid) -> str:
    """One row a cell: coordinates, figure, what makes it comparable, and the means of where its attempts' time went.

    Empty is what there is not; a setting of null is `null`.
    """
    rows = [_row(grid, cell) for cell in grid.cells]
    written = io.StringIO()
    out = csv.DictWriter(written, list(rows[0]), lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    return written.getvalue()


def _row(grid: Grid, cell: GridCell) -> dict[str, str]:
    best, sample, figure = grid.best_of(cell), cell.sample, cell.figure
    return {
        "cell": cell.name,
        "client": cell.client,
        **{key: "null" if value is None else str(value) for key, value in cell.at.items()},
        grid.metric: _number(figure.value),
        "low": _number(figure.low),
        "high": _number(figure.high),
        "lower_bound": _flag(figure.censored),
        "goodput": _number(cell.goodput),
        **{f"mean_{part}_s": _number(sample.parts.get(part) if sample else None) for part in PARTS},
        "connections_per_attempt": _number(sample.opened if sample else None),
        "candidate": _flag(_in(cell, best.able)),
        "best": _flag(_in(cell, (best.best,))),
        "alike": _flag(_in(cell, best.alike)),
        "chosen": _flag(_in(cell, (best.chosen,))),
        "trouble": cell.trouble,
    }


def grid_json(grid: Grid) -> dict[str, Any]:
    """The grid as plain JSON types: what it is by, and what is best in each column."""
    return {
        "metric": grid.metric,
        "columns": grid.columns,
        "rows": grid.rows,
        "panels": list(grid.panels),
        "compared_by": grid.sure or None,
        "best": [_best(one) for one in grid.bests],
    }


def _best(best: Best) -> dict[str, Any]:
    return {
        "client": best.client,
        "column": best.column,
        "best": _name(best.best),
        "chosen": _name(best.chosen),
        "alike": [cell.name for cell in best.alike],
        "next": _name(best.next_best),
        "margin": best.margin,
    }


def _in(cell: GridCell, among: Sequence[GridCell | None]) -> bool:
    return any(one is not None and one.name == cell.name for one in among)


def _name(cell: GridCell | None) -> str | None:
    return None if cell is None else cell.name


def _number(value: float | bool | None) -> str:
    return "" if value is None else f"{float(value):.6g}"


def _flag(value: bool) -> str:
    return "true" if value else "false"
