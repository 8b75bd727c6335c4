"""What each region had to bear, and what came of it: a column a region, a line a client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.ticker import MaxNLocator

from windtunnel.reports.charts import canvas, regional
from windtunnel.reports.charts.bins import edges
from windtunnel.reports.charts.svg import Chart, chart
from windtunnel.reports.charts.view import Floats, RegionView, RunView

PANEL: Final = 96.0
BETWEEN: Final = 34.0
TITLE: Final = "Each region over time"
MOST_BINS: Final = 40

Level = Callable[[RegionView, Floats], Floats]


def _load(view: RegionView, at: Floats) -> Floats:
    return np.histogram(view.arrived_s, at)[0] / np.diff(at)


def _goodput(view: RegionView, at: Floats) -> Floats:
    return np.histogram(view.answered_s, at)[0] / np.diff(at)


def _queue(view: RegionView, at: Floats) -> Floats:
    """The longest queue that arrivals found in each bin; null in a bin without arrivals, where nobody saw one."""
    longest = np.full(len(at) - 1, np.nan)
    where = np.digitize(view.arrived_s, at) - 1
    known = (where >= 0) & (where < len(longest)) & ~np.isnan(view.queue_depth)
    np.fmax.at(longest, where[known], view.queue_depth[known])
    return longest


QUEUE: Final = "longest queue that a request found"
"""Where no request found one, there is no such row."""

ROWS: Final[tuple[tuple[str, Level], ...]] = (
    ("requests arriving per second", _load),
    ("of these, answers that made a call good", _goodput),
    (QUEUE, _queue),
)


def regions_over_time(run: RunView) -> Chart:
    """Load, goodput and queue of every region, all columns on the same scales."""
    names, at = run.regions, edges(run, MOST_BINS)
    curves_of = {caption: _curves(run, names, at, level) for caption, level in ROWS}
    queued = any((curve > 0).any() for column in curves_of[QUEUE] for _, curve in column)
    rows = [caption for caption, _ in ROWS if queued or caption != QUEUE]
    top = 66 + regional.legend_height(run)
    height = top + len(rows) * (PANEL + BETWEEN) + 14
    figure = canvas.sheet(height, canvas.WHOLE_PAGE)
    canvas.headline(figure, TITLE + regional.how_many(run), 13)
    regional.legend(figure, run)
    for row, caption in enumerate(rows):
        curves = curves_of[caption]
        most = max(
            (float(np.nanmax(curve, initial=0.0)) for column in curves for _, curve in column), default=0.0
        )
        for number, name in enumerate(names):
            axes = regional.column(
                figure, number, len(names), top=top + row * (PANEL + BETWEEN), height=PANEL
            )
            canvas.shade(axes, run.phases)
            for index, curve in curves[number]:
                colour, dashes = regional.style(index)
                axes.step(
                    at,
                    np.append(curve, curve[-1:]),
                    where="post",
                    color=colour,
                    linewidth=1.5,
                    linestyle=dashes,
                )
            axes.set_ylim(0, 1.08 * (most or 1.0))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 5, 10], integer=True))
            if not number:
                canvas.caption(axes, caption)
            if not row:
                regional.name_column(axes, name)
            canvas.time_axis(axes, run, labels=row == len(rows) - 1)
    return chart(figure, name="regions-over-time", title=TITLE, alt=_alt(run))


def _curves(run: RunView, names: tuple[str, ...], at: Floats, level: Level) -> list[list[tuple[int, Floats]]]:
    """For each region the curves of the clients that had to do with it, by their place in the legend."""
    return [
        [
            (index, level(found, at))
            for index, view in enumerate(regional.shown(run))
            if (found := regional.region_of(view, name)) is not None and len(found.arrived_s)
        ]
        for name in names
    ]


def _alt(run: RunView) -> str:
    parts = []
    for name in run.regions:
        for view in regional.shown(run):
            found = regional.region_of(view, name)
            if found is not None and found.counts.requests:
                deepest = np.nanmax(found.queue_depth, initial=0.0)
                parts.append(
                    f"{view.client} sends {name} {found.counts.per_second:.1f} requests per second, "
                    f"queue up to {deepest:.0f}"
                )
    return f"{TITLE}: " + "; ".join(parts) + "."
