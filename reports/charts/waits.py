"""How long users wait beside what the provider's own clock says: two cumulative distributions on one scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.durations import duration
from windtunnel.reports.charts.svg import Chart, chart
from windtunnel.reports.charts.view import ClientView, Floats, RunView

HEIGHT = 250.0
ROW = 16.0
MOST_POINTS = 400
SHORTEST_S = 0.001
HUES = (palette.GOOD, palette.BAD, palette.GREEN, palette.PURPLE, palette.ORANGE, palette.SKY, palette.INK)
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
TICKS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0)
BETWEEN = (0.002, 0.005, 0.02, 0.05, 0.2, 0.5, 2.0, 5.0, 20.0, 50.0, 200.0, 500.0)

Sample = Callable[[ClientView], tuple[Floats, int]]


def waits(run: RunView) -> list[Chart]:
    """Two charts on the same axes: the wait from the intended time (all calls), and the service time (good ones)."""
    samples = np.concatenate([np.concatenate([v.wait_s, v.service_s]) for v in run.clients] or [np.ones(1)])
    samples = samples[samples > SHORTEST_S]
    low, high = (samples.min() * 0.8, samples.max() * 1.25) if samples.size else (0.1, 10.0)
    limits = (float(low), float(max(high, low * 10)))
    return [
        _ecdf(run, limits, "wait", "What users wait: all calls, from the planned start", _wait),
        _ecdf(run, limits, "service", "Only answered calls, from when the request was sent", _service),
    ]


def _wait(view: ClientView) -> tuple[Floats, int]:
    return view.wait_s, view.never_ended


def _service(view: ClientView) -> tuple[Floats, int]:
    return view.service_s, 0


def _ecdf(run: RunView, limits: tuple[float, float], name: str, title: str, sample: Sample) -> Chart:
    rows = -(-len(run.clients) // 2)
    height = HEIGHT + rows * ROW
    figure = canvas.sheet(height)
    canvas.headline(figure, title, 12)
    axes = canvas.panel(figure, top=48 + rows * ROW, height=HEIGHT - 86)
    for index, view in enumerate(run.clients):
        values, censored = sample(view)
        at, share = curve(values, censored)
        dash = DASHES[(index // len(HUES) + index) % len(DASHES)]
        axes.plot(at, 100 * share, color=HUES[index % len(HUES)].light, linestyle=dash, linewidth=1.8,
                  drawstyle="steps-post", label=view.client)  # fmt: skip
    _scale(axes, limits)
    _deadline(axes, run.deadline_s, limits)
    figure.legend(
        *axes.get_legend_handles_labels(), loc="upper left", ncols=2, frameon=False, fontsize=canvas.SMALL, borderpad=0,
        bbox_to_anchor=(4 / canvas.WIDTH, 1 - 26 / height), borderaxespad=0, labelcolor=palette.INK.light,
        handlelength=3.2, labelspacing=0.45, columnspacing=2.5,
    )  # fmt: skip
    canvas.caption(axes, "% of the calls that took no longer than this")
    return chart(figure, name=f"ecdf-{name}", title=title, alt=_alt(run, title, sample))


def curve(values: Floats, censored: int = 0) -> tuple[Floats, Floats]:
    """(Times, share of the calls that took no longer); `censored` calls count as longer than any.

    Long samples are thinned to `MOST_POINTS` quantiles: the curve stays within a quarter of a percent.
    """
    ordered = np.sort(values)
    total = ordered.size + censored
    if not total:
        return np.array([]), np.array([])
    picks = np.arange(ordered.size)
    if ordered.size > MOST_POINTS:
        picks = np.unique(np.linspace(0, ordered.size - 1, MOST_POINTS).round().astype(int))
    return ordered[picks], (picks + 1) / total


def _scale(axes: Axes, limits: tuple[float, float]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    axes.set_ylim(0, 101)
    inner = BETWEEN if limits[1] / limits[0] < 2_000 else ()
    axes.xaxis.set_major_locator(
        FixedLocator([t for t in sorted((*TICKS, *inner)) if limits[0] <= t <= limits[1]])
    )
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 90, 100]))
    axes.grid(axis="x", color=palette.GRID.light, linewidth=0.8)
    axes.set_xlabel("seconds (log scale)", fontsize=canvas.SMALL, color=palette.MUTED.light, labelpad=3)


def _deadline(axes: Axes, deadline: float | None, limits: tuple[float, float]) -> None:
    if deadline is None or not limits[0] < deadline < limits[1]:
        return
    axes.axvline(deadline, color=palette.FAULT_INK.light, linewidth=1.2, linestyle=(0, (4, 2)))
    low, high = np.log(limits)
    place = float((np.log(deadline) - low) / (high - low))
    text = f"deadline {duration(deadline)}"
    align, across = _place_label(axes, place, text)
    axes.annotate(
        text, (deadline, 0 if place < 0.42 else 1), (across, 3),
        xycoords=("data", "axes fraction"), textcoords="offset points", ha=align, va="bottom",
        fontsize=canvas.SMALL, color=palette.FAULT_INK.light,
    )  # fmt: skip


def _place_label(axes: Axes, place: float, text: str) -> tuple[Literal["left", "center"], float]:
    """(Alignment, pixels across) of the deadline's label, so that it stays in the picture: above the line at the
    right, beside it at the left, where the curves leave room and the axis' caption is above."""
    if place < 0.42:
        return "left", 4.0
    half = canvas.text_width(text, canvas.SMALL) / 2
    over = half - (1 - place) * canvas.width_of(axes) - canvas.RIGHT + 4
    return "center", min(0.0, -over)


def _alt(run: RunView, title: str, sample: Sample) -> str:
    parts = []
    for view in run.clients:
        values, _ = sample(view)
        if values.size:
            median, most = np.quantile(values, (0.5, 0.99))
            parts.append(f"{view.client} median {duration(median)}, 99 % within {duration(most)}")
        else:
            parts.append(f"{view.client} no calls")
    return f"{title}. Cumulative share of calls: " + "; ".join(parts) + "."
