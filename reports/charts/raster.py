"""A raster of retry arrivals: one tick per retry, when it came and how long after its call was due.

Retries on a fixed timeout draw horizontal bands, a crowd that was told the same time to come back draws vertical
stripes, and retries that are spread out draw a cloud.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.durations import duration
from windtunnel.reports.charts.svg import Chart, chart
from windtunnel.reports.charts.view import ClientView, Floats, RunView

HEIGHT = 204.0
MOST = 6_000
HEADROOM = 1.45
TICK = 0.013


def rasters(run: RunView) -> list[Chart]:
    """A chart for each client, all on the same axes."""
    arrivals = [_retries(view, run) for view in run.clients]
    longest = max((float(delays.max()) for _, delays in arrivals if delays.size), default=1.0)
    return [_raster(v, t, d, run, longest) for v, (t, d) in zip(run.clients, arrivals, strict=True)]


def _retries(view: ClientView, run: RunView) -> tuple[Floats, Floats]:
    """(Arrivals, seconds since their calls were due) of the retries that arrived within the phases."""
    served = view.served
    within = (served["attempt"] > 0) & (served["arrived_s"] >= run.start) & (served["arrived_s"] < run.end)
    rows = served.loc[within & served["delay_s"].notna()].sort_values("arrived_s", kind="stable")
    return rows["arrived_s"].to_numpy(dtype=float), rows["delay_s"].to_numpy(dtype=float)


def _raster(view: ClientView, times: Floats, delays: Floats, run: RunView, longest: float) -> Chart:
    figure = canvas.sheet_for(run, HEIGHT)
    canvas.headline(figure, view.client, 13)
    axes = canvas.panel(figure, top=46, height=HEIGHT - 84)
    canvas.shade(axes, run.phases)
    canvas.square_root(axes, longest, headroom=HEADROOM)
    every = -(-times.size // MOST)
    if times.size:
        _ticks(axes, times[::every], delays[::every], longest)
    else:
        axes.text(0.5, 0.45, "no retries", transform=axes.transAxes, ha="center", color=palette.MUTED.light,
                  fontsize=canvas.TEXT, fontstyle="italic")  # fmt: skip
    canvas.cut_off(axes, view.upto_s, run.end)
    canvas.name_phases(axes, run.phases)
    shown = f", one in {every} drawn" if every > 1 else ""
    number = f"{times.size:,} {'retry' if times.size == 1 else 'retries'}{shown}"
    canvas.caption(axes, f"seconds since the planned start of the call (√ scale): {number}")
    canvas.time_axis(axes, run)
    alt = f"Arrivals of the {times.size} retries of {view.client}"
    if times.size:
        alt += f", from {duration(times.min())} to {duration(times.max())}"
        alt += f", up to {duration(delays.max())} after the planned start of their calls"
    return chart(figure, name=f"retries-{view.client}", title=f"Retry arrivals: {view.client}", alt=alt + ".")


def _ticks(axes: Axes, times: Floats, delays: Floats, longest: float) -> None:
    """All ticks as one path, a tenth of the size of as many markers; equally long on the square-root scale."""
    half = TICK * np.sqrt(longest * HEADROOM)
    middle = np.sqrt(np.maximum(delays, 0.0))
    low, high = np.square(np.maximum(middle - half, 0.0)), np.square(middle + half)
    points = np.stack([np.stack([times, low], 1), np.stack([times, high], 1)], 1).reshape(-1, 2)
    codes = np.tile([Path.MOVETO, Path.LINETO], times.size)
    axes.add_patch(PathPatch(Path(points, codes), fill=False, edgecolor=palette.BAD.light, linewidth=0.9))
