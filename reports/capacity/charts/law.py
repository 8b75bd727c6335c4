"""The Universal Scalability Law: good calls against calls under way; the curve and its band where it is accepted."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from windtunnel.harness.contract.capacity import ClientCapacity, Level
from windtunnel.reports.capacity.charts.scale import (
    BENEATH,
    HEIGHT,
    INKS,
    MARKS,
    TOP,
    RateMark,
    draw_labels,
    face,
    log_axis,
)
from windtunnel.reports.capacity.plan import CapacityReport
from windtunnel.reports.capacity.points import points_of, settled
from windtunnel.reports.capacity.usl import Usl
from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.svg import Chart, chart


def scalability(found: CapacityReport, client: ClientCapacity) -> Chart:
    """A mark for each level; a curve with its band only where the law is accepted, else why it is not."""
    figure = canvas.sheet(HEIGHT)
    axes = canvas.panel(figure, top=TOP, height=HEIGHT - TOP - BENEATH)
    usl = found.plan_of(client).usl
    shown = [level for level in client.levels if level.flows]
    top = _marks(axes, shown, {level.rate for level in settled(client.levels)})
    if usl.curve:
        at = [point.in_flight for point in usl.curve]
        band = axes.fill_between(at, [point.low for point in usl.curve], [point.high for point in usl.curve],
                                 color=palette.SKY.light, alpha=0.45, linewidth=0, zorder=1)  # fmt: skip
        line = axes.plot(at, [point.good for point in usl.curve], color=palette.GOOD.light, linewidth=1.6)
        canvas.legend(axes, [line[0], band], ["fitted law", "95 % of refits"])
        top = max(top, *(point.high for point in usl.curve))
        if usl.peak is not None:
            text = f"most with {usl.peak.in_flight:.3g}"
            draw_labels(axes, [RateMark(usl.peak.in_flight, text, palette.FAULT_INK)], top=0.08)
    axes.set_ylim(0, 1.3 * top)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.annotate(
        textwrap.fill(_told(usl), 62), (0.01, 0.98), xycoords="axes fraction", va="top",
        fontsize=canvas.SMALL, color=palette.MUTED.light, zorder=6,
    )  # fmt: skip
    axes.set_xlabel("calls under way, in the mean (log)", fontsize=canvas.SMALL, color=palette.MUTED.light)
    canvas.caption(axes, "good calls/s")
    alt = f"Good calls per second of {client.client} against calls under way. {_told(usl)}"
    return chart(
        figure, name=f"law-{client.client}", title=f"Universal Scalability Law: {client.client}", alt=alt
    )


def _marks(axes: Axes, levels: Sequence[Level], steady: set[float]) -> float:
    """A mark for each level; returns the most good calls per second."""
    if not levels:
        return 1.0
    points = points_of(levels)
    log_axis(axes, "x", max(1e-3, float(points.in_flight.min())), max(2e-3, float(points.in_flight.max())))
    for level, at, good in zip(levels, points.in_flight, points.good, strict=True):
        ink = INKS[level.state]
        axes.plot(
            at, good, MARKS[level.state], markersize=6.5, markeredgecolor=ink.light,
            markerfacecolor=face(level, level.rate in steady, ink), zorder=3,
        )  # fmt: skip
    return float(points.good.max()) or 1.0


def _told(usl: Usl) -> str:
    if usl.why or usl.contention is None or usl.coherence is None:
        return f"No line: {usl.why}."
    return f"Contention {usl.contention[0]:.3g}, coherence {usl.coherence[0]:.3g}, R² {usl.r2:.3f}."
