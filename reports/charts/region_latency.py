"""How long connecting, answers and calls take, by region, with the time limits that clients set themselves drawn in.

A column a region, a row a duration, a line a client. What was given up counts as longer than anything that was seen, so
that a curve ends where a time limit cut it, and its height there is what came through.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from windtunnel.reports.charts import canvas, palette, regional
from windtunnel.reports.charts.durations import duration
from windtunnel.reports.charts.svg import Chart, chart
from windtunnel.reports.charts.view import ClientView, RunView, TimeLimits
from windtunnel.reports.charts.waits import curve
from windtunnel.reports.metrics.regions import RegionTimes
from windtunnel.reports.metrics.times import Samples

PANEL: Final = 118.0
BETWEEN: Final = 76.0
LABEL: Final = 13.0
"""The height of a line of labels below a panel."""
TITLE: Final = "How long each region takes, and what time limits cut off"
SHORTEST_S: Final = 0.0005
SPAN: Final = 1.25
"""How far an axis reaches beyond what it shows, as a factor."""
WIDEST: Final = 1000.0
"""Factor between the ends of an axis up to which it has ticks at 2 and 5."""


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """One row of panels: its caption, its samples, and the time limits that belong to it, by name."""

    caption: str
    samples: Callable[[RegionTimes], Samples]
    limits: Callable[[TimeLimits, float | None], Mapping[str, float | None]]


ROWS: Final = (
    LatencyRow(
        "% of new connections",
        lambda times: times.connect,
        lambda limits, _: {"connect": limits.connect},
    ),
    LatencyRow(
        "% of the answers that began, from the request sent",
        lambda times: times.answer,
        lambda limits, _: {"read": limits.read, "first content": limits.first_content},
    ),
    LatencyRow(
        "% of the calls that were good, from the planned start",
        lambda times: times.call,
        lambda limits, deadline: {"total": limits.total, "deadline": deadline},
    ),
)


def region_latency(run: RunView) -> Chart:
    """Cumulative shares on a logarithmic axis of time, the same in all columns of a row."""
    names, rows = run.regions, [row for row in ROWS if _any(run, row)]
    top = 66 + regional.legend_height(run)
    figure = canvas.sheet(top + len(rows) * (PANEL + BETWEEN) - 22, canvas.WHOLE_PAGE)
    canvas.headline(figure, TITLE + regional.how_many(run), 13)
    regional.legend(figure, run)
    for number, row in enumerate(rows):
        limits = _limits(run, row)
        for place, name in enumerate(names):
            axes = regional.column(
                figure, place, len(names), top=top + number * (PANEL + BETWEEN), height=PANEL
            )
            _scale(axes, limits)
            for index, view in enumerate(regional.shown(run)):
                _curve(axes, index, _samples(view, name, row))
            _mark_limits(axes, run, row, limits)
            if not place:
                canvas.caption(axes, row.caption)
            if not number:
                regional.name_column(axes, name)
    return chart(figure, name="regions-latency", title=TITLE, alt=_alt(run, rows))


def _samples(view: ClientView, name: str, row: LatencyRow) -> Samples:
    found = regional.region_of(view, name)
    return Samples(np.zeros(0), np.zeros(0, dtype=bool)) if found is None else row.samples(found.times)


def _all(run: RunView, row: LatencyRow) -> Iterable[Samples]:
    return (_samples(view, name, row) for view in regional.shown(run) for name in run.regions)


def _any(run: RunView, row: LatencyRow) -> bool:
    """Whether anything of a row was seen: drivers that show no connecting have no such row."""
    return any((~samples.cut).any() for samples in _all(run, row))


def _limits(run: RunView, row: LatencyRow) -> tuple[float, float]:
    """The ends of the axis: all that was seen, and time limits that are near it."""
    seen = np.concatenate([samples.seconds[~samples.cut] for samples in _all(run, row)])
    seen = np.maximum(seen, SHORTEST_S)
    low, high = float(seen.min()) / SPAN, float(seen.max()) * SPAN
    near = [at for _, at in _time_limits(run, row) if low / 3 < at < high * 3]
    return min([low, *(at / SPAN for at in near)]), max([high, low * 10, *(at * SPAN for at in near)])


def _time_limits(run: RunView, row: LatencyRow) -> list[tuple[str, float]]:
    """The time limits of a row, each once, shortest first: what it says, and where it is."""
    shown = regional.shown(run)
    found: dict[tuple[float, str], int] = {}
    for view in shown:
        for name, at in row.limits(view.timeouts, run.deadline_s).items():
            if at is not None:
                found[at, name] = found.get((at, name), 0) + 1
    return [
        (
            f"{name} {duration(at)}" + ("" if count == len(shown) else f" ({count} of {len(shown)} clients)"),
            at,
        )
        for (at, name), count in sorted(found.items())
    ]


def _scale(axes: Axes, limits: tuple[float, float]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    axes.set_ylim(0, 101)
    factors = (1, 2, 5) if limits[1] / limits[0] < WIDEST else (1,)
    ticks = [factor * 10.0**power for power in range(-4, 6) for factor in factors]
    axes.xaxis.set_major_locator(FixedLocator([at for at in ticks if _fits(axes, at, limits)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: duration(at)))
    axes.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
    axes.grid(axis="x", color=palette.GRID.light, linewidth=0.8)


def _fits(axes: Axes, at: float, limits: tuple[float, float]) -> bool:
    """Whether a tick lies on the axis, and its label in the picture: beside the last column is little room."""
    low, high = np.log(limits)
    place = float((np.log(at) - low) / (high - low)) * canvas.width_of(axes)
    half = canvas.text_width(duration(at), canvas.SMALL) / 2
    return 0 <= place <= canvas.width_of(axes) + canvas.RIGHT - half


def _curve(axes: Axes, index: int, samples: Samples) -> None:
    seen = np.maximum(samples.seconds[~samples.cut], SHORTEST_S)
    if not seen.size:
        return
    at, share = curve(seen, int(samples.cut.sum()))
    colour, dashes = regional.style(index)
    end = axes.get_xlim()[1]
    axes.plot(np.append(at, end), 100 * np.append(share, share[-1:]), color=colour, linestyle=dashes, linewidth=1.7,
              drawstyle="steps-post")  # fmt: skip


def _mark_limits(axes: Axes, run: RunView, row: LatencyRow, limits: tuple[float, float]) -> None:
    """A line at each time limit that lies on the axis; what it is stands below the ticks, in two lines if need be."""
    low, high = np.log(limits)
    room = canvas.width_of(axes)
    ends = [-math.inf, -math.inf]
    for text, at in _time_limits(run, row):
        if not limits[0] < at < limits[1]:
            continue
        axes.axvline(at, color=palette.FAULT_INK.light, linewidth=1.2, linestyle=(0, (4, 2)))
        width = canvas.text_width(text, canvas.SMALL)
        middle = float((np.log(at) - low) / (high - low)) * room
        left = min(max(middle - width / 2, 0.0), room - width)
        line = next((line for line, end in enumerate(ends) if left > end + 6), None)
        if line is None:
            continue
        ends[line] = left + width
        axes.annotate(
            text, (left / room, 0), (0, -17 - LABEL * line), xycoords="axes fraction", textcoords="offset points",
            ha="left", va="top", fontsize=canvas.SMALL, color=palette.FAULT_INK.light, annotation_clip=False,
        )  # fmt: skip


def _alt(run: RunView, rows: Iterable[LatencyRow]) -> str:
    parts = []
    for row in rows:
        for name in run.regions:
            for view in regional.shown(run):
                samples = _samples(view, name, row)
                seen = samples.seconds[~samples.cut]
                if seen.size:
                    cut = f", {int(samples.cut.sum())} given up" if samples.cut.any() else ""
                    half, most = np.quantile(seen, (0.5, 0.95))
                    parts.append(
                        f"{view.client} in {name}: half within {duration(half)}, 95 % within {duration(most)}{cut}"
                    )
    return f"{TITLE}. " + "; ".join(parts) + "."
