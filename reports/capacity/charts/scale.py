"""What the charts of a search share: logarithmic axes with plain ticks, the axis of rates, lines with a label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from windtunnel.harness.contract.capacity import ClientCapacity, Level
from windtunnel.reports.capacity.plan import CapacityReport
from windtunnel.reports.charts import canvas, palette

HEIGHT, TOP, BENEATH = 306.0, 30.0, 46.0
"""In pixels: of a chart, above its panel for the legend, and beneath it for the axis."""
MARKS = {"passed": "o", "failed": "X", "unresolved": "D"}
INKS = {"passed": palette.GOOD, "failed": palette.BAD, "unresolved": palette.MUTED}
STATES = {"passed": "kept the SLO", "failed": "broke it", "unresolved": "not decided"}
SERIES = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
"""Which numbers of each power of ten are ticks: the first series that gives enough of them is taken."""
LEAST_TICKS, MOST_TICKS = 4, 8
MARGIN = 1.06
FAR = 2.0
"""How many times beyond the levels a rate may lie that is still shown."""


@dataclass(frozen=True, slots=True)
class RateMark:
    """A vertical line at `rate` (or whatever the axis has) with `text` beside it; `ink` is the colour of both."""

    rate: float
    text: str
    ink: palette.Colour
    dashed: bool = False


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """From four to eight round numbers between both, however near to each other they are (two, if they are equal)."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    for series in SERIES:
        inside = [one * 10.0**power for power in powers for one in series]
        inside = [value for value in inside if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
        if len(inside) >= LEAST_TICKS:
            return tuple(inside[:: math.ceil(len(inside) / MOST_TICKS)])
    rough = (high - low) / LEAST_TICKS
    if rough <= 0:
        return (low, high)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = max(unit * one for one in (1.0, 2.0, 5.0) if unit * one <= rough)
    first = math.ceil(low / step - 1e-9)
    return tuple(round(step * number, 10) for number in range(first, math.floor(high / step + 1e-9) + 1))


def log_axis(axes: Axes, which: str, low: float, high: float) -> None:
    """A logarithmic axis from a little below `low` to a little above `high`, with ticks in plain numbers."""
    low, high = low / MARGIN, high * MARGIN
    if which == "x":
        axes.set_xscale("log")
        axes.set_xlim(low, high)
    else:
        axes.set_yscale("log")
        axes.set_ylim(low, high)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(log_ticks(low, high)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def rate_axis(axes: Axes, found: CapacityReport, client: ClientCapacity) -> None:
    """The axis of offered rates, with the interval of the safe rate as a band."""
    rates = [level.rate for level in client.levels]
    asked = [mark.rate for mark in asked_labels(found, client)]
    log_axis(axes, "x", min([*rates, *asked]), max([*rates, *asked]))
    if client.low is not None and client.high is not None:
        axes.axvspan(client.low, client.high, color=palette.PALE.light, linewidth=0, alpha=0.6, zorder=0)
    axes.set_xlabel("offered calls/s (log)", fontsize=canvas.SMALL, color=palette.MUTED.light)


def asked_labels(found: CapacityReport, client: ClientCapacity) -> list[RateMark]:
    """The safe rate, today's and the target; not one that is so far from all levels that these would be squeezed."""
    rates = [level.rate for level in client.levels]
    labels = []
    if client.safe is not None:
        labels.append(RateMark(client.safe, f"safe {client.safe:.4g}/s", palette.OK_INK))
    if found.today is not None and min(rates) / FAR <= found.today <= max(rates) * FAR:
        labels.append(RateMark(found.today, f"today {found.today:g}/s", palette.MUTED, dashed=True))
    if found.target is not None and min(rates) / FAR <= found.target <= max(rates) * FAR:
        labels.append(RateMark(found.target, f"target {found.target:g}/s", palette.MUTED, dashed=True))
    return labels


def draw_labels(axes: Axes, labels: Sequence[RateMark], top: float = 0.95) -> None:
    """Each line with its text, one beneath the other so that none covers another; right of it, where there is room."""
    low, high = axes.get_xlim()
    for number, label in enumerate(sorted(labels, key=lambda one: one.rate)):
        axes.axvline(
            label.rate, color=label.ink.light, linewidth=1.2, linestyle=(0, (3, 2)) if label.dashed else "-",
            zorder=1.5,
        )  # fmt: skip
        share = math.log(high / label.rate) / math.log(high / low)
        fits = share * canvas.width_of(axes) > canvas.text_width(label.text, canvas.SMALL) + 8
        axes.annotate(
            label.text, (label.rate, top - 0.075 * number), (4 if fits else -4, 0), ha="left" if fits else "right",
            xycoords=("data", "axes fraction"), textcoords="offset points", va="center", fontsize=canvas.SMALL,
            color=label.ink.light, zorder=6, bbox={"facecolor": palette.SURFACE.light, "edgecolor": "none",
                                                   "pad": 0.8},
        )  # fmt: skip


def face(level: Level, steady: bool, ink: palette.Colour) -> str:
    """The colour inside a mark: none where the level is not steady, so that its figure would go on changing."""
    return ink.light if steady and level.settled else palette.SURFACE.light


def span(client: ClientCapacity) -> str:
    """From which rate to which, in words."""
    rates = [level.rate for level in client.levels]
    return f"{min(rates):g} to {max(rates):g} calls per second" if rates else "no level"
