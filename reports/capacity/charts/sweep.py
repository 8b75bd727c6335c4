"""The hysteresis loop: good calls on the way up and on the way down again, and how far apart the two are."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from windtunnel.harness.contract.capacity import ClientCapacity, Sweep
from windtunnel.reports.capacity.charts.scale import HEIGHT, log_axis
from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.svg import Chart, chart

WAYS = (("up", "on the way up", palette.GOOD, "o"), ("down", "on the way down", palette.BAD, "s"))
LOOP, GAPS = 150.0, 62.0
"""The heights of the two panels, in pixels."""


def hysteresis(client: ClientCapacity, sweep: Sweep) -> Chart:
    """Two lines over the offered rate, with arrows in the order of play; below, goodput upwards - downwards."""
    figure = canvas.sheet(HEIGHT)
    axes = canvas.panel(figure, top=34, height=LOOP)
    below = canvas.panel(figure, top=34 + LOOP + 30, height=GAPS, share=axes)
    rates = [step.rate for step in sweep.steps]
    top = max([step.achieved or 0.0 for step in sweep.steps], default=1.0) or 1.0
    log_axis(axes, "x", min(rates), max(rates))
    _loop(axes, sweep)
    axes.set_ylim(0, 1.15 * top)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelbottom=False)
    canvas.caption(axes, "good calls/s")
    _gaps(below, sweep)
    below.set_xlabel("offered calls/s (log)", fontsize=canvas.SMALL, color=palette.MUTED.light)
    told = "there is hysteresis" if sweep.hysteresis else "no hysteresis"
    alt = (
        f"Good calls per second of {client.client} at rates that rise and then fall again, one play: {told}."
    )
    return chart(figure, name=f"sweep-{client.client}", title=f"Up and down again: {client.client}", alt=alt)


def _loop(axes: Axes, sweep: Sweep) -> None:
    """The steps of each way, with arrows from one to the next. The way down begins at the highest step."""
    handles, names = [], []
    peak = [step for step in sweep.steps if step.way == "up" and step.achieved is not None][-1:]
    for way, name, colour, mark in WAYS:
        steps = [step for step in sweep.steps if step.way == way and step.achieved is not None]
        if way == "down":
            steps = [*peak, *steps]
        at, good = [step.rate for step in steps], [step.achieved or 0.0 for step in steps]
        handles += axes.plot(at, good, color=colour.light, marker=mark, markersize=4.5, linewidth=1.5)
        names.append(name)
        for begin, end in zip(zip(at, good, strict=True), zip(at[1:], good[1:], strict=True), strict=False):
            axes.annotate(
                "", end, begin, arrowprops={"arrowstyle": "->", "color": colour.light, "shrinkB": 3}
            )
    canvas.legend(axes, handles, names)


def _gaps(axes: Axes, sweep: Sweep) -> None:
    """How much goodput is lost on the way down, with its interval, and what counts as hysteresis."""
    for gap in sweep.gaps:
        if gap.mean is None:
            continue
        if gap.low is not None and gap.high is not None:
            axes.plot([gap.rate, gap.rate], [gap.low, gap.high], color=palette.MUTED.light, linewidth=1.6)
        axes.plot(gap.rate, gap.mean, "o", color=palette.INK.light, markersize=4)
    axes.axhline(sweep.least, color=palette.BAD.light, linewidth=1, linestyle=(0, (5, 3)))
    ends = [value for gap in sweep.gaps for value in (gap.low, gap.high, gap.mean) if value is not None]
    axes.set_ylim(min([-0.05, *ends]) * 1.1, max([2 * sweep.least, *ends]) * 1.1)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    canvas.caption(axes, f"goodput up - down, of {sweep.seeds} seeds (hysteresis above {sweep.least:g})")
