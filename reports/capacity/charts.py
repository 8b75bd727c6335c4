"""The charts of a capacity search, two for each client: waits against offered rate, and good calls."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from windtunnel.harness.contract.capacity import CapacityFound, ClientCapacity
from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.svg import Chart, chart

HEIGHT = 300.0
PERCENTILES = (
    ("latency_p50_s", "p50", palette.SKY),
    ("latency_p95_s", "p95", palette.GOOD),
    ("latency_p99_s", "p99", palette.PURPLE),
    ("ttft_p95_s", "first content p95", palette.GREEN),
)
MARKS = {"passed": "o", "failed": "X", "unresolved": "D"}


def waits(found: CapacityFound, client: ClientCapacity) -> Chart:
    """Percentiles of latency against the offered rate; where the SLO has a limit in seconds, a line for it."""
    figure = canvas.sheet(HEIGHT)
    axes = canvas.panel(figure, top=44, height=HEIGHT - 96)
    handles, labels = [], []
    for name, label, colour in PERCENTILES:
        points = [(one.rate, one.shown[name]) for one in client.levels if one.shown.get(name) is not None]
        if points:
            rates, values = zip(*points, strict=True)
            handles += axes.plot(rates, values, color=colour.light, marker="o", markersize=3.5, linewidth=1.5)
            labels.append(label)
    for text in found.slo:
        term = Expectation.model_validate(text)
        if METRICS[term.metric].kind == "seconds":
            axes.axhline(float(term.limit), color=palette.BAD.light, linewidth=1.2, linestyle=(0, (5, 3)))
            axes.annotate(
                text, (0, float(term.limit)), (4, 3), xycoords=("axes fraction", "data"),
                textcoords="offset points", fontsize=canvas.SMALL, color=palette.FAULT_INK.light,
            )  # fmt: skip
    axes.set_yscale("log")
    _plain(axes)
    _rates(axes, found, client)
    canvas.caption(axes, "seconds (log)")
    canvas.legend(axes, handles, labels)
    alt = f"Latency percentiles of {client.client} against offered rate, {_span(client)}."
    return chart(
        figure, name=f"waits-{client.client}", title=f"Latency against offered rate: {client.client}", alt=alt
    )


def good_calls(found: CapacityFound, client: ClientCapacity) -> Chart:
    """Good calls per second against the offered rate, beside the line where all are good; and the safe rate."""
    figure = canvas.sheet(HEIGHT)
    axes = canvas.panel(figure, top=44, height=HEIGHT - 96)
    points = [(one.rate, one.achieved) for one in client.levels if one.achieved is not None]
    rates, achieved = [p[0] for p in points], [p[1] for p in points]
    top = max(rates, default=1.0)
    every = np.geomspace(
        min(rates, default=1.0), top, 100
    )  # a curve, as only the axis of rates is logarithmic
    ideal = axes.plot(every, every, color=palette.AXIS.light, linewidth=1)
    line = axes.plot(rates, achieved, color=palette.GOOD.light, linewidth=1.5)
    for level in client.levels:
        if level.achieved is not None:
            colour = palette.GOOD if level.state == "passed" else palette.BAD
            axes.plot(level.rate, level.achieved, MARKS[level.state], color=colour.light, markersize=5)
    axes.set_ylim(bottom=0)
    _rates(axes, found, client)
    canvas.caption(axes, "good calls/s")
    canvas.legend(axes, [ideal[0], line[0]], ["all offered calls", "achieved (✕ broke the SLO)"])
    alt = f"Good calls per second of {client.client} against offered rate, {_span(client)}."
    return chart(
        figure,
        name=f"good-{client.client}",
        title=f"Good calls against offered rate: {client.client}",
        alt=alt,
    )


def _rates(axes: Axes, found: CapacityFound, client: ClientCapacity) -> None:
    """The axis of offered rates, the interval of the safe rate as a band, and today's rate."""
    axes.set_xscale("log", base=2)
    _plain(axes, "x")
    if client.low is not None and client.high is not None:
        axes.axvspan(client.low, client.high, color=palette.PALE.light, linewidth=0, alpha=0.6)
        axes.axvline(client.low, color=palette.OK_INK.light, linewidth=1.2)
        _mark(axes, client.low, f"safe {client.low:g}/s", palette.OK_INK)
    if found.today is not None:
        axes.axvline(found.today, color=palette.MUTED.light, linewidth=1, linestyle=(0, (2, 2)))
        _mark(axes, found.today, f"today {found.today:g}/s", palette.MUTED, lower=True)
    axes.set_xlabel("offered calls/s (log)", fontsize=canvas.SMALL, color=palette.MUTED.light)


def _mark(axes: Axes, rate: float, text: str, colour: palette.Colour, *, lower: bool = False) -> None:
    axes.annotate(
        text, (rate, 0.84 if lower else 0.94), (-4, 0), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha="right", fontsize=canvas.SMALL, color=colour.light,
    )  # fmt: skip


def _plain(axes: Axes, which: str = "y") -> None:
    """Ticks in plain numbers."""
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(lambda value, _: "")


def _span(client: ClientCapacity) -> str:
    rates = [level.rate for level in client.levels]
    return f"{min(rates):g} to {max(rates):g} calls per second" if rates else "no level"
