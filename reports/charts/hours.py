"""A measure over the hours of a soak, and each cycle of it drawn over the others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.ticker import MaxNLocator

from windtunnel.reports.charts import palette
from windtunnel.reports.charts.canvas import SMALL, WHOLE_PAGE, panel, sheet
from windtunnel.reports.charts.svg import Chart, chart, settings
from windtunnel.reports.charts.view import Floats, Span

HOUR_S = 3600.0
HEIGHT, TOP, PANEL = 190.0, 14.0, 134.0
BETWEEN = 380.0
"""Of the right panel, pixels of width: the left one has the rest."""


def over_hours(
    name: str,
    title: str,
    at_s: Floats,
    values: Floats,
    phases: Sequence[Span],
    cycles: Sequence[float],
    alt: str,
) -> Chart:
    """Values over hours with incidents shaded (left), and over the minutes of a cycle, the last one dark (right).

    `cycles` are the starts of the cycles, and the end of the last one.
    """
    with settings():
        figure = sheet(HEIGHT, WHOLE_PAGE)
        left = panel(figure, top=TOP, height=PANEL, right=BETWEEN)
        for phase in phases:
            if phase.faulty:
                left.axvspan(
                    phase.start / HOUR_S, phase.end / HOUR_S, color=palette.FAULT.light, linewidth=0, zorder=0
                )
        left.plot(at_s / HOUR_S, values, color=palette.GOOD.light, linewidth=0.9)
        left.set_xlim(cycles[0] / HOUR_S, cycles[-1] / HOUR_S)
        left.set_xlabel("hours from the start", fontsize=SMALL, color=palette.MUTED.light, labelpad=3)
        right = panel(figure, top=TOP, height=PANEL, left=WHOLE_PAGE - BETWEEN + 56)
        for start, end in pairwise(cycles):
            inside = (at_s >= start) & (at_s < end)
            if not inside.any():  # a cycle that is shorter than a step
                continue
            last = end == cycles[-1]
            right.plot(
                (at_s[inside] - start) / 60, _smooth(values[inside]), linewidth=1.6 if last else 0.7,
                color=(palette.BAD if last else palette.PALE).light, zorder=3 if last else 2,
            )  # fmt: skip
        right.set_xlabel("minutes of a cycle: each one, the last on top", fontsize=SMALL,
                         color=palette.MUTED.light, labelpad=3)  # fmt: skip
        for axes in (left, right):
            axes.yaxis.set_major_locator(MaxNLocator(5))
            low, high = float(np.nanmin(values, initial=0.0)), float(np.nanmax(values, initial=0.0))
            axes.set_ylim(low, high * 1.08 or 1.0)
        return chart(figure, name=name, title=title, alt=alt)


def _smooth(values: Floats) -> Floats:
    """Values as means over a fiftieth of the cycle, so that cycles over each other can be told apart."""
    width = max(1, len(values) // 50)
    there = np.isfinite(values)
    weights = np.convolve(there, np.ones(width), mode="same")
    sums = np.convolve(np.where(there, values, 0.0), np.ones(width), mode="same")
    means: Floats = np.divide(sums, weights, out=np.full(len(values), np.nan), where=weights > 0)
    return means
