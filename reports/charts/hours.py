"""A measure over the hours of a soak, and each cycle of it drawn over the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from windtunnel.reports.charts import palette
from windtunnel.reports.charts.canvas import SMALL, WHOLE_PAGE, fit, legend, panel, sheet, width_of
from windtunnel.reports.charts.durations import moment, tick_step, unit_of
from windtunnel.reports.charts.svg import Chart, chart, settings
from windtunnel.reports.charts.view import Floats, Span

HEIGHT, TOP, PANEL = 226.0, 44.0, 140.0
LEFT = 58.0
NAMES = 15.0
"""Pixels of height for the names of incidents."""
BETWEEN = 400.0
"""Of the right panel, pixels of width: the left one has the rest."""
FAR_FROM_ZERO = 0.5
"""Where all values are above this share of the highest, the axis does not begin at zero: slow growth would not show."""
LINES = (palette.GOOD, palette.PURPLE, palette.GREEN)


@dataclass(frozen=True, slots=True, eq=False)
class HoursLine:
    """A line of the chart: its name in the legend, and its values."""

    name: str
    values: Floats


@dataclass(frozen=True, slots=True)
class HoursGrid:
    """What all charts of a soak have in common.

    `at_s` are the times of the values, `cycles` the starts of the cycles and the end of the last one, `holes` the times
    (from, to) of which nothing is known; all in seconds from the start.
    """

    at_s: Floats
    phases: Sequence[Span]
    cycles: Sequence[float]
    holes: Sequence[tuple[float, float]] = ()


def over_hours(
    name: str,
    title: str,
    grid: HoursGrid,
    lines: Sequence[HoursLine],
    alt: str,
    *,
    bounds: tuple[float, float] | None = None,
) -> Chart:
    """Lines over hours with incidents shaded (left); the first line over a cycle, the last cycle dark (right).

    `bounds`: the ends of the y axis, where they are not left to the values.
    """
    with settings():
        figure = sheet(HEIGHT, WHOLE_PAGE)
        left = panel(figure, top=TOP, height=PANEL, left=LEFT, right=BETWEEN)
        _whole(left, grid, lines)
        right = panel(figure, top=TOP, height=PANEL, left=WHOLE_PAGE - BETWEEN + 58)
        _cycles(right, grid, lines[0].values)
        low, high = bounds or _bounds([line.values for line in lines])
        for axes in (left, right):
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            axes.set_ylim(low, high)
        return chart(figure, name=name, title=title, alt=alt)


def _whole(axes: Axes, grid: HoursGrid, lines: Sequence[HoursLine]) -> None:
    """The whole soak."""
    start, end = grid.cycles[0], grid.cycles[-1]
    handles: list[Line2D | Patch] = []
    for line, colour in zip(lines, LINES, strict=False):
        handles += axes.plot(grid.at_s, line.values, color=colour.light, linewidth=0.9, label=line.name)
    for phase in grid.phases:
        if phase.faulty:
            axes.axvspan(phase.start, phase.end, color=palette.FAULT.light, linewidth=0, zorder=0)
    if any(phase.faulty for phase in grid.phases):
        handles.append(Patch(color=palette.FAULT.light, label="incidents"))
    for hole in grid.holes:
        axes.axvspan(
            *hole, facecolor=palette.PAGE.light, edgecolor=palette.PALE.light, hatch="///", linewidth=0
        )
    if grid.holes:
        handles.append(
            Patch(facecolor=palette.PAGE.light, edgecolor=palette.PALE.light, hatch="///", label="not known")
        )
    for cycle in grid.cycles[1:-1]:
        axes.axvline(cycle, color=palette.AXIS.light, linewidth=0.8, zorder=0.6)
    handles.append(Line2D([], [], color=palette.AXIS.light, linewidth=0.8, label="a cycle begins"))
    legend(axes, handles, [str(handle.get_label()) for handle in handles])
    _time_axis(axes, start, end, "from the start")


def _cycles(axes: Axes, grid: HoursGrid, values: Floats) -> None:
    """All cycles over each other, with the incidents of the last one."""
    first, last = grid.cycles[-2:]
    for start, end in pairwise(grid.cycles):
        inside = (grid.at_s >= start) & (grid.at_s < end)
        newest = end == last
        axes.plot(
            grid.at_s[inside] - start, _smooth(values[inside]), linewidth=1.8 if newest else 0.8,
            color=(palette.BAD if newest else palette.PALE).light, zorder=3 if newest else 2,
        )  # fmt: skip
    _time_axis(axes, 0.0, last - first, "of a cycle")
    for phase in grid.phases:
        if phase.faulty and phase.start >= first:
            begin, end = phase.start - first, phase.end - first
            axes.axvspan(begin, end, color=palette.FAULT.light, linewidth=0, zorder=0)
            room = (end - begin) / (last - first) * width_of(axes) + NAMES
            whole = fit(phase.name, room, SMALL) == phase.name
            axes.annotate(
                phase.name if whole else "", ((begin + end) / 2, 1), (0, 3), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="center", va="bottom", fontsize=SMALL, color=palette.FAULT_INK.light,
                zorder=5,
            )  # fmt: skip
    told = (
        Line2D([], [], color=palette.PALE.light, linewidth=1.2),
        Line2D([], [], color=palette.BAD.light, linewidth=1.8),
    )
    legend(axes, told, ("each cycle, smoothed", "the last one"))
    box = axes.get_legend()
    if box is not None:
        box.set_bbox_to_anchor(
            (1.0, 1.0 + NAMES / PANEL), axes.transAxes
        )  # the names of incidents stand below it


def _time_axis(axes: Axes, start: float, end: float, since: str) -> None:
    length = end - start
    axes.set_xlim(start, end)
    axes.xaxis.set_major_locator(MultipleLocator(tick_step(length)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: moment(at, length)))
    axes.set_xlabel(f"{unit_of(length).name} {since}", fontsize=SMALL, color=palette.MUTED.light, labelpad=3)


def _bounds(all_values: Sequence[Floats]) -> tuple[float, float]:
    """The ends of the y axis: from zero, where the values are not all far from it."""
    known = np.concatenate([values[np.isfinite(values)] for values in all_values])
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    room = 0.08 * (high - low)
    if low > FAR_FROM_ZERO * high and room > 0:
        return low - room, high + room
    return min(0.0, low), high * 1.08 or 1.0


def _smooth(values: Floats) -> Floats:
    """Values as means over a fiftieth of the cycle, so that cycles over each other can be told apart."""
    if not len(values):  # of a cycle that is shorter than a step of the series
        return values
    width = max(1, len(values) // 50)
    there = np.isfinite(values)
    weights = np.convolve(there, np.ones(width), mode="same")
    sums = np.convolve(np.where(there, values, 0.0), np.ones(width), mode="same")
    means: Floats = np.divide(sums, weights, out=np.full(len(values), np.nan), where=weights > 0)
    return means
