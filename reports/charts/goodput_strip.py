"""The strip at the top of the page: of the calls due at each moment, which share got its answer in time."""

from __future__ import annotations

import numpy as np

from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.bins import edges, good_share
from windtunnel.reports.charts.svg import Chart, chart
from windtunnel.reports.charts.view import ClientView, RunView

HEIGHT = 92.0
BARS = 75
RIGHT = 20.0
"""Room for half of the last tick, such as `20 min`."""


def strip(view: ClientView, run: RunView) -> Chart:
    """Bars over time, 0 to 100 %: good below, lost above."""
    figure = canvas.sheet(HEIGHT)
    axes = canvas.panel(figure, top=20, height=HEIGHT - 38, left=40, right=RIGHT)
    at = edges(run, BARS)
    share = good_share(view, at)
    known = ~np.isnan(share)
    left, width = at[:-1][known], np.diff(at)[known] * 0.82
    axes.bar(
        left,
        1 - share[known],
        width,
        bottom=share[known],
        align="edge",
        color=palette.LOST.light,
        linewidth=0,
    )
    axes.bar(left, share[known], width, align="edge", color=palette.GOOD.light, linewidth=0)
    axes.grid(visible=False)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 1], ["0 %", "100 %"])
    canvas.time_axis(axes, run, units=True)
    for phase in run.phases:
        if phase.faulty:
            axes.axvspan(
                phase.start, phase.end, 1.04, 1.34, color=palette.FAULT.light, linewidth=0, clip_on=False
            )
        if phase.start > run.start:
            axes.axvline(phase.start, ymax=1.34, color=palette.MUTED.light, linewidth=0.8, clip_on=False)
    canvas.cut_off(axes, view.upto_s, run.end)
    canvas.name_phases(axes, run.phases, above=True)
    alt = f"Share of good calls over time for {view.client}: " + ", ".join(_by_phase(view, run)) + "."
    return chart(figure, name=f"strip-{view.client}", title=f"Good calls over time: {view.client}", alt=alt)


def _by_phase(view: ClientView, run: RunView) -> list[str]:
    shares = view.calls.groupby("phase")["good"].mean()
    return [f"{100 * shares[p.name]:.0f} % in phase {p.name}" for p in run.phases if p.name in shares.index]
