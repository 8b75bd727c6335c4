"""What happened, client by client: demand above, amplification below it, the provider's queue at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.bins import amplification, edges, level, rate, window_s
from windtunnel.reports.charts.durations import duration
from windtunnel.reports.charts.svg import Chart, chart
from windtunnel.reports.charts.view import Bools, ClientView, Floats, RunView

HEIGHT = 444.0
AT_ONCE_S = 0.05
CROWDED = 3.0
HEADROOM = 1.7
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True)
class Series:
    """The curves of one client: per second, per window, and the levels that arrivals found."""

    offered: Floats
    attempts: Floats
    good: Floats
    window_at: Floats
    amplification: Floats
    window_s: float
    queue: Floats
    busy: Floats


@dataclass(frozen=True, slots=True)
class Scales:
    """Upper ends of the three y axes, the same for all clients, and the highest rate of calls offered."""

    offered: float
    rate: float
    amplification: float
    requests: float


def timelines(run: RunView) -> list[Chart]:
    """A chart for each client, all on the same axes."""
    at = edges(run)
    series = [_series(view, run, at) for view in run.clients]
    scales = _scales(series)
    return [_timeline(v, s, run, at, scales) for v, s in zip(run.clients, series, strict=True)]


def _series(view: ClientView, run: RunView, at: Floats) -> Series:
    calls, served = view.calls, view.served
    return Series(
        rate(calls["intended_s"], at),
        rate(served["arrived_s"], at),
        rate(calls.loc[calls["good"], "intended_s"], at),
        *amplification(view, run),
        window_s(run),
        level(served, "queue_depth", at),
        level(served, "in_flight", at),
    )


def _most(*curves: Floats) -> float:
    """The highest point of all curves; 0 without any."""
    return max((float(np.nanmax(curve)) for curve in curves if not np.isnan(curve).all()), default=0.0)


def _scales(series: Sequence[Series]) -> Scales:
    return Scales(
        max(_most(s.offered) for s in series) or 1.0,
        max(_most(s.attempts, s.offered) for s in series) or 1.0,
        max(2.0, *(_most(s.amplification) for s in series)),
        max(4.0, *(_most(s.queue, s.busy) for s in series)),
    )


def _timeline(view: ClientView, series: Series, run: RunView, at: Floats, scales: Scales) -> Chart:
    figure = canvas.sheet_for(run, HEIGHT)
    canvas.headline(figure, view.client, 14)
    rates = canvas.panel(figure, top=52, height=172)
    amplified = canvas.panel(figure, top=256, height=60, share=rates)
    inside = canvas.panel(figure, top=348, height=62, share=rates)
    for axes in (rates, amplified, inside):
        canvas.shade(axes, run.phases)
        canvas.cut_off(axes, view.upto_s, run.end)
    _draw_rates(rates, series, at, scales)
    canvas.name_phases(rates, run.phases)
    _draw_recovery((rates, amplified, inside), view, run)
    _draw_amplification(amplified, series, scales)
    _draw_levels(inside, series, at, scales)
    canvas.time_axis(rates, run, labels=False)
    canvas.time_axis(amplified, run, labels=False)
    canvas.time_axis(inside, run)
    title, alt = f"{view.client} over time", _alt(view, series, run)
    return chart(figure, name=f"timeline-{view.client}", title=title, alt=alt)


def _steps(values: Floats) -> Floats:
    return np.append(values, values[-1:])


def _draw_rates(axes: Axes, series: Series, at: Floats, scales: Scales) -> None:
    per, unit = _per(scales.rate)
    good = axes.fill_between(
        at, per * _steps(series.good), step="post", color=palette.GOOD.light, linewidth=0
    )
    (attempts,) = axes.step(
        at, per * _steps(series.attempts), where="post", color=palette.BAD.light, linewidth=1.6
    )
    (offered,) = axes.step(
        at, per * _steps(series.offered), where="post", color=palette.INK.light, linewidth=1.0
    )
    crowded = scales.rate > CROWDED * scales.offered
    if crowded:
        canvas.square_root(axes, per * scales.rate, headroom=HEADROOM)
    else:
        axes.set_ylim(0, per * scales.rate * np.sqrt(HEADROOM))
    canvas.caption(axes, f"per {unit} (√ scale)" if crowded else f"per {unit}")
    canvas.legend(axes, [offered, attempts, good], ["calls offered", "attempts arriving", "good calls"])


def _per(rate: float) -> tuple[float, str]:
    """The unit of time, in seconds and by name, in which a rate per second is at least one."""
    units = ((1.0, "second"), (60.0, "minute"), (3600.0, "hour"))
    return next((unit for unit in units if rate * unit[0] >= 1), units[-1])


def _draw_amplification(axes: Axes, series: Series, scales: Scales) -> None:
    at, values = series.window_at, series.amplification  # both break where a window has no call
    axes.fill_between(at, 1, values, color=palette.LOST.light, linewidth=0)
    alone = ~np.isnan(values) & _unknown_beside(values)
    axes.plot(at, values, color=palette.BAD.light, linewidth=1.6)
    axes.plot(at[alone], values[alone], ".", color=palette.BAD.light, markersize=2.5)
    axes.set_yscale("log")
    axes.set_ylim(0.93, scales.amplification * 1.15)
    ticks = [tick for tick in TICKS if tick <= scales.amplification * 1.1]
    axes.yaxis.set_major_locator(FixedLocator(ticks if len(ticks) < 6 else ticks[::2]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    canvas.caption(axes, f"attempts per call, over {duration(series.window_s)} (log scale)")


def _unknown_beside(values: Floats) -> Bools:
    """Which values have an unknown one, or none, on both sides: a line does not show them."""
    unknown = np.concatenate([[True], np.isnan(values), [True]])
    return np.asarray(unknown[:-2] & unknown[2:])


def _draw_levels(axes: Axes, series: Series, at: Floats, scales: Scales) -> None:
    queue = axes.fill_between(at, _steps(series.queue), step="post", color=palette.PURPLE.light, linewidth=0)
    (busy,) = axes.step(at, _steps(series.busy), where="post", color=palette.GREEN.light, linewidth=1.4)
    canvas.square_root(axes, scales.requests, apart=0.22)
    canvas.caption(axes, "requests in the provider (√ scale)")
    canvas.legend(axes, [queue, busy], ["queued", "in flight"])


def _draw_recovery(panels: Sequence[Axes], view: ClientView, run: RunView) -> None:
    """A line where the client's users were served again, or the statement that they never were."""
    since = run.fault_end
    if view.recovered is None or since is None:
        return
    if not view.recovered or view.recover_s is None:
        _note(panels[0], (since + run.end) / 2, "✗ does not recover", palette.FAULT_INK)
        return
    at = since + view.recover_s
    for axes in panels:
        axes.axvline(at, color=palette.GREEN.light, linewidth=1.4, linestyle=(0, (4, 2)))
    after = f"after {duration(view.recover_s)}" if view.recover_s >= AT_ONCE_S else "at once"
    text = f"✓ recovers {after}"
    _note(panels[0], at, text, palette.OK_INK, align=canvas.beside(panels[0], at, text, canvas.TEXT))


def _note(axes: Axes, at: float, text: str, colour: palette.Colour, align: str = "center") -> None:
    axes.annotate(
        text, (at, 1), ({"left": 5, "center": 0, "right": -5}[align], -18), xycoords=("data", "axes fraction"),
        textcoords="offset points", ha=align, va="top", fontsize=canvas.TEXT, fontweight="bold", color=colour.light,
    )  # fmt: skip


def _alt(view: ClientView, series: Series, run: RunView) -> str:
    fate = ""
    if view.recovered is not None:
        fate = " It does not recover."
        if view.recovered and view.recover_s is not None:
            fate = f" It recovers {duration(view.recover_s)} after the fault."
    return (
        f"Over {duration(run.end - run.start)}, {view.client} is offered up to {series.offered.max():.0f} calls per "
        f"second and sends up to {series.attempts.max():.0f} attempts per second; amplification peaks at "
        f"{_most(series.amplification):.1f} and the queue at {series.queue.max():.0f} requests.{fate}"
    )
