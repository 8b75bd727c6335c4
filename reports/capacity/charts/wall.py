"""The wall: the lowest level that failed, and the same level with one limit after the other raised."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from windtunnel.harness.contract.capacity import ClientCapacity, TermFound, Wall
from windtunnel.harness.contract.expectation import Expectation
from windtunnel.reports.capacity.charts.scale import INKS, STATES
from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.svg import Chart, chart

ROW = 26.0
LEFT = 150.0
"""Room for the names of the bars, in pixels."""
NONE = "no value: half of the batches had none"


def wall_bars(client: ClientCapacity, wall: Wall) -> Chart | None:
    """A bar for each play of that level: the metric of the first limit that it broke; None without such plays."""
    level = next((one for one in client.levels if one.rate == wall.rate), None)
    broken = next((one for one in level.terms if one.state != "passed"), None) if level else None
    if not wall.trials or level is None or broken is None:
        return None
    bars: list[tuple[str, TermFound, str]] = [("as it is", broken, level.state)]
    for trial in wall.trials:
        term = next((one for one in trial.terms if one.term == broken.term), None)
        if term is not None:
            name = "all raised" if "+" in trial.limit else f"{trial.limit} raised"
            bars.append((name, term, trial.state))
    figure = canvas.sheet(70 + ROW * len(bars))
    axes = canvas.panel(figure, top=30, height=ROW * len(bars), left=LEFT, right=60)
    _draw(axes, bars, Expectation.model_validate(broken.term))
    canvas.caption(axes, f"{broken.term.split()[0]} at {wall.rate:g} calls/s")
    alt = f"{broken.term} of {client.client} at {wall.rate:g} calls/s: " + ", ".join(
        f"{name} {_said(term)}" for name, term, _ in bars
    )
    return chart(figure, name=f"wall-{client.client}", title=f"The wall: {client.client}", alt=alt)


def _draw(axes: Axes, bars: list[tuple[str, TermFound, str]], limit: Expectation) -> None:
    """The bars from above, each with its value and whether it kept the whole SLO, and the limit as a line."""
    most = max([float(limit.limit), *(term.mean for _, term, _ in bars if term.mean is not None)])
    for row, (_, term, state) in enumerate(bars):
        ink = INKS[state]
        if term.mean is not None:
            axes.barh(row, term.mean, height=0.6, color=ink.light, linewidth=0)
        axes.annotate(
            f"{_said(term)} ({STATES[state]})" if row == 0 or state == "passed" else _said(term),
            (term.mean or 0.0, row), (4, 0), textcoords="offset points", va="center", fontsize=canvas.SMALL,
            color=palette.INK.light, annotation_clip=False,
            bbox={"facecolor": palette.SURFACE.light, "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
        )  # fmt: skip
    axes.axvline(float(limit.limit), color=palette.FAULT_INK.light, linewidth=1.2, linestyle=(0, (5, 3)))
    axes.set_yticks(range(len(bars)), [canvas.fit(name, LEFT - 12, canvas.SMALL) for name, _, _ in bars])
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(0, 1.35 * most)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(visible=False)
    axes.set_xlabel(f"SLO (dashed): {limit.expect}", fontsize=canvas.SMALL, color=palette.MUTED.light)


def _said(term: TermFound) -> str:
    return NONE if term.mean is None else f"{term.mean:.3g}"
