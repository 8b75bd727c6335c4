"""How one metric is spread over seeds: a shape per client on a common axis, with the middle and the extremes marked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.svg import Chart, chart
from windtunnel.reports.charts.view import Floats

ROW = 46.0
SHAPE = 0.30
"""Half the height of a client's shape, in rows."""
BINS = 48
FEW = 24
"""Seeds that are drawn as dots; more become a shape."""
NEVER_ROOM = 92.0


@dataclass(frozen=True, slots=True)
class Picture:
    """One metric: of each client the values of its seeds (infinite: never), in the unit of the axis.

    `name` is that of the file, `digits` the form of a tick's number, such as `{:g} %`.
    """

    name: str
    title: str
    axis: str
    clients: tuple[tuple[str, tuple[float, ...]], ...]


def spread(picture: Picture) -> Chart:
    """A row per client: the density of its seeds, a bar from the 5th to the 95th percentile, a dot at the median."""
    rows = len(picture.clients)
    never = any(np.isinf(values).any() for _, values in picture.clients)
    height = 34 + rows * ROW + 38
    figure = canvas.sheet(height)
    canvas.headline(figure, picture.title, 12)
    axes = canvas.panel(
        figure, top=32, height=rows * ROW, left=14, right=NEVER_ROOM if never else canvas.RIGHT + 6
    )
    low, high = _limits(picture)
    axes.set_xlim(low, high)
    axes.set_ylim(rows, 0)
    axes.set_yticks([])
    axes.grid(axis="x", color=palette.GRID.light, linewidth=0.8)
    edges = np.linspace(low, high, BINS + 1)
    for row, (client, values) in enumerate(picture.clients):
        _client(axes, row, client, np.sort(np.asarray(values, dtype=np.float64)), edges)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.set_xlabel(picture.axis, fontsize=canvas.SMALL, color=palette.MUTED.light, labelpad=3)
    return chart(
        figure, name=f"spread-{picture.name}", title=f"Over seeds: {picture.title}", alt=_alt(picture)
    )


def _limits(picture: Picture) -> tuple[float, float]:
    known = [value for _, values in picture.clients for value in values if np.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    room = 0.03 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _client(axes: Axes, row: int, client: str, ordered: Floats, edges: Floats) -> None:
    """One row: `ordered` are the sorted values of its seeds."""
    middle = row + 0.64
    axes.axhline(row + 1, color=palette.GRID.light, linewidth=0.8)
    axes.annotate(client, (0, row), (0, -12), xycoords=("axes fraction", "data"), textcoords="offset points",
                  fontsize=canvas.SMALL, color=palette.INK.light, va="baseline")  # fmt: skip
    known = ordered[np.isfinite(ordered)]
    lost = ordered.size - known.size
    if lost:
        axes.annotate(f"never: {lost}", (1, middle), (8, 0), xycoords=("axes fraction", "data"), va="center",
                      textcoords="offset points", fontsize=canvas.TEXT, fontweight="bold", annotation_clip=False,
                      color=palette.FAULT_INK.light)  # fmt: skip
    if not known.size:
        return
    if known.size <= FEW:
        offsets = SHAPE * (np.arange(known.size) % 5 - 2) / 3
        axes.scatter(
            known,
            middle + offsets,
            s=22,
            color=palette.SKY.light,
            edgecolors=palette.GOOD.light,
            linewidths=0.8,
        )
    else:
        _shape(axes, known, edges, middle)
    _marks(axes, ordered, middle)


def _shape(axes: Axes, known: Floats, edges: Floats, middle: float) -> None:
    """The counts in bins, mirrored: as wide as the fullest bin allows."""
    counts = np.histogram(known, edges)[0].astype(float)
    half = SHAPE * counts / counts.max()
    for (left, right), size in zip(pairwise(edges), half, strict=True):
        if size:
            shown = max(size, 0.03)
            axes.fill_between(
                [left, right], middle - shown, middle + shown, color=palette.SKY.light, linewidth=0
            )


def _marks(axes: Axes, ordered: Floats, middle: float) -> None:
    """From the 5th to the 95th percentile a bar, the median a dot, the extremes ticks: where they are finite."""
    low, median, high = np.quantile(ordered, (0.05, 0.5, 0.95), method="inverted_cdf")
    finite = ordered[np.isfinite(ordered)]
    end = high if np.isfinite(high) else axes.get_xlim()[1]
    if np.isfinite(low):
        axes.plot([low, end], [middle, middle], color=palette.INK.light, linewidth=1.6, solid_capstyle="butt")
    for value in (finite[0], finite[-1]):
        axes.plot([value, value], [middle - 0.13, middle + 0.13], color=palette.INK.light, linewidth=1.2)
    if np.isfinite(median):
        axes.plot([median], [middle], marker="o", markersize=7.5, color=palette.INK.light,
                  markeredgecolor=palette.SURFACE.light, markeredgewidth=1.5, linestyle="none", zorder=5)  # fmt: skip


def _alt(picture: Picture) -> str:
    parts = []
    for client, values in picture.clients:
        ordered = np.sort(np.asarray(values, dtype=np.float64))
        if not ordered.size:
            parts.append(f"{client} has no value")
            continue
        low, median, high = (
            "never" if np.isinf(v) else f"{v:.3g}"
            for v in np.quantile(ordered, (0.05, 0.5, 0.95), method="inverted_cdf")
        )
        parts.append(f"{client} median {median}, 5th to 95th percentile {low} to {high}")
    return f"{picture.title}, {picture.axis}: " + "; ".join(parts) + "."
