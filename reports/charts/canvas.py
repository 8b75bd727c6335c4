"""What all charts look alike in: size, type, axes, phases.

Sizes are CSS pixels (72 dots per inch, so that points and pixels are the same). Type is measured in DejaVu Sans, which
comes with matplotlib and is wider than what readers see: what fits here fits there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator, NullLocator

from windtunnel.reports.charts import palette
from windtunnel.reports.charts.durations import moment, tick_step, unit_of
from windtunnel.reports.charts.view import Floats, RunView, Span

WIDTH = 560.0
WHOLE_PAGE = 1156.0
"""The width of a chart that stands alone in its row, so that type keeps its size there."""
LEFT, RIGHT = 44.0, 12.0
TEXT, SMALL = 11.0, 10.0
BOLDER = 1.15
"""How much wider bold type is."""


def sheet(height: float, width: float = WIDTH) -> Figure:
    """An empty transparent figure of that size in pixels."""
    return Figure(figsize=(width / 72, height / 72), dpi=72, facecolor="none")


def sheet_for(run: RunView, height: float) -> Figure:
    """A figure for a chart of each client: one client alone has the whole width of the page."""
    return sheet(height, WIDTH if len(run.clients) > 1 else WHOLE_PAGE)


def headline(figure: Figure, text: str, size: float) -> None:
    """The name of a chart at its upper left corner, cut where it is too long for it."""
    width, height = figure.get_size_inches() * 72
    figure.text(4 / width, 1 - 6 / height, fit(text, (width - 8) / BOLDER, size), fontsize=size, fontweight="bold",
                va="top", color=palette.INK.light)  # fmt: skip


def width_of(axes: Axes) -> float:
    """The width of a panel in pixels."""
    figure = axes.get_figure(root=True)
    width = WIDTH if figure is None else float(figure.get_size_inches()[0] * 72)
    return float(axes.get_position().width) * width


def panel(
    figure: Figure,
    *,
    top: float,
    height: float,
    left: float = LEFT,
    right: float = RIGHT,
    share: Axes | None = None,
) -> Axes:
    """Axes at `top` pixels from the upper edge of the figure, styled: light grid, no box, muted ticks."""
    width, full = figure.get_size_inches() * 72
    box = (left / width, 1 - (top + height) / full, (width - left - right) / width, height / full)
    axes = figure.add_axes(box, sharex=share)
    axes.set_facecolor("none")
    axes.grid(axis="y", color=palette.GRID.light, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(palette.AXIS.light)
    axes.tick_params(
        labelsize=SMALL, labelcolor=palette.MUTED.light, color=palette.AXIS.light, length=3, width=0.8
    )
    axes.tick_params(axis="y", length=0)
    return axes


def caption(axes: Axes, text: str) -> None:
    """What the y axis shows and in which unit, above the panel at its left."""
    axes.annotate(
        text, (0, 1), (-LEFT + 4, 6), xycoords="axes fraction", textcoords="offset points",
        ha="left", va="bottom", fontsize=TEXT, color=palette.INK.light, annotation_clip=False,
    )  # fmt: skip


def legend(axes: Axes, handles: Sequence[Artist], labels: Sequence[str], columns: int | None = None) -> None:
    """A legend above the panel at its right, outside the data."""
    axes.legend(
        handles, labels, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=columns or len(labels), frameon=False,
        fontsize=SMALL, labelcolor=palette.MUTED.light, handlelength=1.6, handletextpad=0.5, columnspacing=1.2,
        borderaxespad=0.1, borderpad=0.2,
    )  # fmt: skip


def text_width(text: str, size: float) -> float:
    """Width of `text` in pixels at `size`, in the type that charts are measured in."""
    return float(
        TextPath((0, 0), text, size=size, prop=FontProperties(family="DejaVu Sans")).get_extents().width
    )


def fit(text: str, room: float, size: float) -> str:
    """`text`, cut with an ellipsis where it is wider than `room` pixels; empty if not even that fits."""
    if text_width(text, size) <= room:
        return text
    for end in range(len(text) - 1, 0, -1):
        if text_width(short := text[:end].rstrip() + "…", size) <= room:
            return short
    return ""


def shade(axes: Axes, phases: Sequence[Span]) -> None:
    """Shade the faulty phases and draw the bounds of all."""
    for index, phase in enumerate(phases):
        if phase.faulty:
            axes.axvspan(phase.start, phase.end, color=palette.FAULT.light, linewidth=0, zorder=0)
        if index:
            axes.axvline(phase.start, color=palette.AXIS.light, linewidth=0.8, zorder=0.6)


def cut_off(axes: Axes, upto: float, end: float) -> None:
    """Hatch what was not observed, from `upto` to `end`."""
    if upto < end:
        axes.axvspan(
            upto,
            end,
            facecolor=palette.PAGE.light,
            edgecolor=palette.PALE.light,
            hatch="///",
            linewidth=0,
            zorder=3,
        )
        axes.annotate(
            "cut off", ((upto + end) / 2, 0.5), xycoords=("data", "axes fraction"), ha="center", va="center",
            fontsize=SMALL, color=palette.INK.light, zorder=4,
        )  # fmt: skip


def name_phases(axes: Axes, phases: Sequence[Span], *, above: bool = False) -> None:
    """Write each phase's name inside the panel at its top, or above it, as far as it fits; faulty ones stand out."""
    room = width_of(axes)
    span = phases[-1].end - phases[0].start
    for phase in phases:
        label = fit(phase.name, (phase.end - phase.start) / span * room - 6, SMALL)
        axes.annotate(
            label, ((phase.start + phase.end) / 2, 1), (0, 4 if above else -3), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="bottom" if above else "top", fontsize=SMALL,
            color=(palette.FAULT_INK if phase.faulty else palette.MUTED).light,
            fontweight="bold" if phase.faulty else "normal", zorder=5,
        )  # fmt: skip


def time_axis(axes: Axes, run: RunView, *, labels: bool = True, units: bool = False) -> None:
    """The shared x axis: from the start of the first phase, in seconds, minutes, hours or days.

    With `units` each tick says its unit, and the axis has no name.
    """
    length = run.end - run.start
    unit = unit_of(length)
    sign = f" {unit.sign}" if units else ""
    axes.set_xlim(run.start, run.end)
    axes.xaxis.set_major_locator(MultipleLocator(tick_step(length)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: moment(at, length) + sign))
    axes.tick_params(labelbottom=labels)
    if labels and not units:
        axes.set_xlabel(f"{unit.name} from the start", fontsize=SMALL, color=palette.MUTED.light, labelpad=3)


def beside(axes: Axes, at: float, text: str, size: float) -> Literal["left", "right"]:
    """The side of the line at `at` (on a linear x axis) where `text` has room: `left` is text that begins there."""
    low, high = axes.get_xlim()
    room = (high - at) / (high - low) * width_of(axes)
    return "left" if text_width(text, size) * BOLDER + 6 <= room else "right"


def square_root(axes: Axes, top: float, *, headroom: float = 1.1, apart: float = 0.14) -> None:
    """A y axis from 0 to `top` on a square-root scale: small and large counts are both legible, and 0 is there.

    Above it `headroom` times `top` is the end of the axis, without ticks. Ticks are of the series 1, 2, 5, 10 …,
    `apart` of the axis from each other at least.
    """

    def root(values: Floats) -> Floats:
        return np.sign(values) * np.sqrt(np.abs(values))

    def square(values: Floats) -> Floats:
        return np.sign(values) * np.square(values)

    axes.set_yscale("function", functions=(root, square))
    axes.set_ylim(0, top * headroom)
    steps = [factor * 10.0**power for power in range(-3, 7) for factor in (1, 2, 5)]
    ticks = [0.0]
    last = 1.0 + apart
    for value in reversed([step for step in steps if step <= top]):
        place = float(np.sqrt(value / (top * headroom)))
        if place >= apart and last - place >= apart:
            ticks.append(value)
            last = place
    axes.yaxis.set_major_locator(FixedLocator(sorted(ticks)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
