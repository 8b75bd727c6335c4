"""Where a call's time goes: its parts side by side, by region and client; the mean, and around the 95th percentile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.durations import duration
from windtunnel.reports.charts.svg import Chart, chart
from windtunnel.reports.charts.view import RunView

ROW: Final = 18.0
HEAD: Final = 24.0
BAR: Final = 0.72
NAMES: Final = 210.0
MOST_BARS: Final = 48
ALL_BUT_A_FEW: Final = 0.995
"""The share of good calls from which on it is not said."""
LEGEND_ROW: Final = 16.0


@dataclass(frozen=True, slots=True)
class PartKind:
    """How a part of a call's time is called and drawn."""

    label: str
    colour: palette.Colour
    hatch: str = ""


KINDS: Final[Mapping[str, PartKind]] = {
    "held": PartKind("held by the client itself", palette.PALE),
    "earlier": PartKind("earlier tries and pauses", palette.BAD),
    "pool": PartKind("waiting for its pool", palette.ORANGE),
    "dns": PartKind("looking up the address", palette.YELLOW),
    "connect": PartKind("connecting", palette.PURPLE),
    "tls": PartKind("TLS handshake", palette.PURPLE, "////"),
    "wait": PartKind("request sent, to the head of the answer", palette.SKY),
    "first_token": PartKind("to the first content", palette.GOOD),
    "tokens": PartKind("from the first content to the end", palette.GREEN),
}
"""Every part of `reports.metrics.timing.PARTS`, in its order."""

CHARTS: Final = (
    ("mean", "Where a call's time goes: the mean"),
    ("p95", "Where it goes in calls around the 95th percentile"),
)


@dataclass(frozen=True, slots=True)
class CallTime:
    """One bar of each chart: its group, its label, and the mean parts in seconds, of good calls and of slow ones.

    `good` is the share of calls that were good: the others are in no part, and without any there are no parts.
    """

    group: str
    label: str
    mean: Mapping[str, float]
    slow: Mapping[str, float]
    good: float = 1.0


def call_times(run: RunView) -> list[CallTime]:
    """A bar for each client in each region that answered it, region by region."""
    return [
        CallTime(region, view.client, found.parts, found.slow_parts, found.counts.good / found.counts.calls)
        for region in run.regions
        for view in run.clients
        for found in view.regions
        if found.name == region and found.counts.calls and (found.parts or not found.counts.good)
    ]


def time_parts(rows: Sequence[CallTime]) -> list[Chart]:
    """Two charts on the same axis of time; none without rows. Of many rows `MOST_BARS` are drawn, evenly chosen."""
    if len(rows) > MOST_BARS:
        rows = [rows[pick] for pick in np.linspace(0, len(rows) - 1, MOST_BARS).round().astype(int)]
    drawn = [[_Bar(row.group, row.label, row.mean, row.good) for row in rows],
             [_Bar(row.group, row.label, row.slow, row.good) for row in rows]]  # fmt: skip
    every = [bar for bars in drawn for bar in bars]
    most = max((bar.total for bar in every), default=0.0)
    if not most:
        return []
    used = [part for part in KINDS if any(bar.parts.get(part, 0.0) > 0.0005 * most for bar in every)]
    return [_chart(name, title, bars, used, most) for (name, title), bars in zip(CHARTS, drawn, strict=True)]


@dataclass(frozen=True, slots=True)
class _Bar:
    """One row of a chart."""

    group: str
    label: str
    parts: Mapping[str, float]
    good: float

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    @property
    def said(self) -> str:
        """How long it is, and of how many calls, where not of all."""
        if not self.parts:
            return "no good calls"
        share = f" ({100 * self.good:.0f} % good)" if self.good < ALL_BUT_A_FEW else ""
        return duration(self.total) + share


def _chart(name: str, title: str, bars: list[_Bar], used: list[str], most: float) -> Chart:
    groups: dict[str, list[_Bar]] = {}
    for bar in bars:
        groups.setdefault(bar.group, []).append(bar)
    columns = 2
    legend_rows = -(-len(used) // columns)
    top = 34 + LEGEND_ROW * legend_rows
    height = top + sum(HEAD + ROW * len(group) for group in groups.values()) + 40
    figure = canvas.sheet(height)
    canvas.headline(figure, title, 12)
    _legend(figure, used, columns, height)
    left = 14 + min(NAMES, max(canvas.text_width(bar.label, canvas.SMALL) for bar in bars))
    right = 12 + max(canvas.text_width(bar.said, canvas.SMALL) for bar in bars)
    for number, (region, group) in enumerate(groups.items()):
        axes = canvas.panel(figure, top=top + HEAD, height=ROW * len(group), left=left, right=right)
        top += HEAD + ROW * len(group)
        _group(axes, group, used, most)
        axes.annotate(
            canvas.fit(region, canvas.width_of(axes) / canvas.BOLDER, canvas.TEXT), (0, 1), (0, 3),
            xycoords="axes fraction", textcoords="offset points", fontsize=canvas.TEXT,
            fontweight="bold", va="bottom", color=palette.INK.light, annotation_clip=False,
        )  # fmt: skip
        last = number == len(groups) - 1
        axes.tick_params(labelbottom=last)
        if last:
            axes.set_xlabel(
                "from the planned start of a good call to its end", fontsize=canvas.SMALL,
                color=palette.MUTED.light, labelpad=3,
            )  # fmt: skip
    return chart(figure, name=f"time-parts-{name}", title=title, alt=_alt(title, bars, used))


def _legend(figure: Figure, used: list[str], columns: int, height: float) -> None:
    kinds = [KINDS[part] for part in used]
    patches = [
        Patch(facecolor=kind.colour.light, hatch=kind.hatch, edgecolor=palette.SURFACE.light, linewidth=0)
        for kind in kinds
    ]
    figure.legend(
        patches, [kind.label for kind in kinds], loc="upper left", ncols=columns, frameon=False,
        fontsize=canvas.SMALL, bbox_to_anchor=(4 / canvas.WIDTH, 1 - 26 / height), borderaxespad=0, borderpad=0,
        labelcolor=palette.INK.light, handlelength=1.4, labelspacing=0.45, columnspacing=1.6,
    )  # fmt: skip


def _group(axes: Axes, group: list[_Bar], used: list[str], most: float) -> None:
    start = np.zeros(len(group))
    for part in used:
        lengths = np.array([bar.parts.get(part, 0.0) for bar in group])
        kind = KINDS[part]
        axes.barh(range(len(group)), lengths, BAR, left=start, color=kind.colour.light, hatch=kind.hatch,
                  edgecolor=palette.SURFACE.light, linewidth=0.6)  # fmt: skip
        start = start + lengths
    for place, end in enumerate(start):
        axes.annotate(group[place].said, (float(end), place), (4, 0), textcoords="offset points", va="center",
                      fontsize=canvas.SMALL, color=palette.INK.light, annotation_clip=False)  # fmt: skip
    axes.set_yticks(range(len(group)), [canvas.fit(bar.label, NAMES, canvas.SMALL) for bar in group])
    axes.tick_params(axis="y", labelcolor=palette.INK.light)
    axes.set_ylim(len(group) - 0.5, -0.5)
    axes.set_xlim(0, most)
    axes.grid(visible=False)
    axes.grid(axis="x", color=palette.GRID.light, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: duration(at)))


def _alt(title: str, bars: list[_Bar], used: list[str]) -> str:
    parts = []
    for bar in bars:
        shares = ", ".join(
            f"{duration(bar.parts[part])} {KINDS[part].label}" for part in used if bar.parts.get(part)
        )
        parts.append(
            f"{bar.label} in {bar.group} {bar.said}: {shares}"
            if shares
            else f"{bar.label} in {bar.group} {bar.said}"
        )
    return f"{title}. " + "; ".join(parts) + "."
