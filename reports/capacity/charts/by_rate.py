"""Against the offered rate: waits with the limits of the SLO, and good calls with the safe rate, headroom and knee."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from windtunnel.harness.contract.capacity import ClientCapacity, Level
from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.capacity.charts.scale import (
    BENEATH,
    HEIGHT,
    INKS,
    MARKS,
    STATES,
    TOP,
    RateMark,
    asked_labels,
    draw_labels,
    face,
    log_axis,
    rate_axis,
    span,
)
from windtunnel.reports.capacity.plan import CapacityReport
from windtunnel.reports.capacity.points import settled
from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.svg import Chart, chart

PERCENTILES = (
    ("latency_p50_s", "p50", palette.SKY, "o"),
    ("latency_p95_s", "p95", palette.GOOD, "s"),
    ("latency_p99_s", "p99", palette.PURPLE, "^"),
    ("ttft_p95_s", "first content p95", palette.GREEN, "v"),
    ("wait_p95_s", "wait p95", palette.ORANGE, "P"),
)
NOT_STEADY = "hollow: not steady"


def waits(found: CapacityReport, client: ClientCapacity) -> Chart:
    """Percentiles against the offered rate; a line for each limit of the SLO in seconds, and for the most achieved."""
    figure = canvas.sheet(HEIGHT)
    axes = canvas.panel(figure, top=TOP, height=HEIGHT - TOP - BENEATH)
    steady = {level.rate for level in settled(client.levels)}
    handles: list[Artist] = []
    names, everything = [], []
    terms = [Expectation.model_validate(text) for text in found.slo]
    own = {term.metric for term in terms}
    for name, label, colour, mark in PERCENTILES:
        points = [(one, one.shown.get(name)) for one in client.levels]
        known = [(level, value) for level, value in points if value is not None and value > 0]
        if not known or (name == "wait_p95_s" and name not in own):
            continue
        values = [value for _, value in known]
        handles += axes.plot([one.rate for one, _ in known], values, color=colour.light, linewidth=1.4, marker=mark,
                             markersize=4)  # fmt: skip
        _hollow(axes, [(one, value) for one, value in known if one.rate not in steady], mark, colour)
        names.append(label)
        everything += values
    limits = [(term, float(term.limit)) for term in terms if METRICS[term.metric].kind == "seconds"]
    everything += [limit for _, limit in limits]
    room = 1.3 * max([limit for _, limit in limits], default=0.0)  # for the text above the line
    log_axis(axes, "y", min(everything, default=0.1), max([*everything, room], default=1.0))
    rate_axis(axes, found, client)
    for term, limit in limits:
        axes.axhline(limit, color=palette.BAD.light, linewidth=1.2, linestyle=(0, (5, 3)))
        axes.annotate(
            term.expect, (0, limit), (4, 3), xycoords=("axes fraction", "data"),
            textcoords="offset points", fontsize=canvas.SMALL, color=palette.FAULT_INK.light,
        )  # fmt: skip
    draw_labels(axes, [*asked_labels(found, client), *_most(client)])
    canvas.caption(axes, "seconds (log)")
    canvas.legend(axes, handles, names)
    alt = f"Latency percentiles of {client.client} against offered rate, {span(client)}; hollow marks are not steady."
    return chart(
        figure, name=f"waits-{client.client}", title=f"Latency against offered rate: {client.client}", alt=alt
    )


def _hollow(axes: Axes, points: Sequence[tuple[Level, float]], mark: str, colour: palette.Colour) -> None:
    """Marks without a face over those of levels that are not steady."""
    axes.plot(
        [one.rate for one, _ in points], [value for _, value in points], linestyle="none", marker=mark, markersize=4,
        markerfacecolor=palette.SURFACE.light, markeredgecolor=colour.light, zorder=3,
    )  # fmt: skip


def _most(client: ClientCapacity) -> list[RateMark]:
    """The most good calls per second that any level had: more than that nobody gets."""
    most = max((one.achieved for one in client.levels if one.achieved is not None), default=0.0)
    if not most or client.status == "out of reach":
        return []
    return [RateMark(most, f"most achieved {most:.3g}/s", palette.GOOD, dashed=True)]


def good_calls(found: CapacityReport, client: ClientCapacity) -> Chart:
    """Good calls per second, beside the line where all are good; the safe rate, headroom and the knee."""
    figure = canvas.sheet(HEIGHT)
    axes = canvas.panel(figure, top=TOP, height=HEIGHT - TOP - BENEATH)
    points = [(one, one.achieved) for one in client.levels if one.achieved is not None]
    rate_axis(axes, found, client)
    low, high = axes.get_xlim()
    every = np.geomspace(low, high, 100)  # a curve, as only the axis of rates is logarithmic
    top = max([value for _, value in points], default=1.0) or 1.0
    axes.plot(every, every, color=palette.AXIS.light, linewidth=1)
    steady = {level.rate for level in settled(client.levels)}
    joined = [(one.rate, value) for one, value in points if one.rate in steady]
    axes.plot([rate for rate, _ in joined], [value for _, value in joined], color=palette.PALE.light, linewidth=1.3,
              zorder=1.8)  # fmt: skip
    for level, value in points:
        ink = INKS[level.state]
        axes.plot(
            level.rate, value, MARKS[level.state], markersize=6.5, markeredgecolor=ink.light,
            markerfacecolor=face(level, level.rate in steady, ink), zorder=3,
        )  # fmt: skip
    axes.set_ylim(0, 1.55 * top)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    labels = asked_labels(found, client)
    knee = found.plan_of(client).knee
    if knee.rate is not None and knee.low is not None and knee.high is not None:
        axes.axvspan(knee.low, knee.high, color=palette.ORANGE.light, alpha=0.25, linewidth=0, zorder=0.5)
        labels.append(RateMark(knee.rate, f"knee {knee.rate:.3g}/s", palette.FAULT_INK))
    if client.survival is not None and client.survival.low is not None:
        through = f"survives {client.survival.incident.phase} {client.survival.low:.4g}/s"
        labels.append(RateMark(client.survival.low, through, palette.PURPLE))
    if client.loss is not None and client.loss.low is not None:
        gone = f"{client.loss.lost.region} gone {client.loss.low:.4g}/s"
        labels.append(RateMark(client.loss.low, gone, palette.BAD))
    draw_labels(axes, labels)
    _headroom(axes, found, client)
    canvas.caption(axes, "good calls/s")
    _legend(axes, client, len(steady) < len(client.levels))
    alt = f"Good calls per second of {client.client} against offered rate, {span(client)}; hollow marks are not steady."
    return chart(
        figure,
        name=f"good-{client.client}",
        title=f"Good calls against offered rate: {client.client}",
        alt=alt,
    )


def _headroom(axes: Axes, found: CapacityReport, client: ClientCapacity) -> None:
    """An arrow from today's rate to the safe one, with the headroom."""
    if found.today is None or client.safe is None or not axes.get_xlim()[0] < found.today < client.safe:
        return
    axes.annotate(
        "", (client.safe, 0.06), (found.today, 0.06), xycoords=("data", "axes fraction"),
        textcoords=("data", "axes fraction"), arrowprops={"arrowstyle": "->", "color": palette.OK_INK.light},
    )  # fmt: skip
    axes.annotate(
        f"{100 * (client.safe / found.today - 1):.0f} % headroom", (math.sqrt(client.safe * found.today), 0.06), (0, 4),
        xycoords=("data", "axes fraction"), textcoords="offset points", ha="center", fontsize=canvas.SMALL,
        color=palette.OK_INK.light,
    )  # fmt: skip


def _legend(axes: Axes, client: ClientCapacity, some_hollow: bool) -> None:
    """What the marks mean, as far as there are such levels."""
    states = {level.state for level in client.levels}
    handles: list[Artist] = [Line2D([], [], color=palette.AXIS.light, linewidth=1)]
    names = ["all offered"]
    for state in STATES:
        if state in states:
            handles.append(Line2D([], [], linestyle="none", marker=MARKS[state], color=INKS[state].light))
            names.append(STATES[state])
    if some_hollow:
        handles.append(
            Line2D([], [], linestyle="none", marker="o", markerfacecolor=palette.SURFACE.light,
                   markeredgecolor=palette.MUTED.light)
        )  # fmt: skip
        names.append(NOT_STEADY)
    canvas.legend(axes, handles, names)
