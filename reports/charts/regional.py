"""What the charts of regions share: columns of panels, one a region, and lines of clients."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from windtunnel.reports.charts import canvas, palette
from windtunnel.reports.charts.view import ClientView, RegionView, RunView
from windtunnel.reports.charts.waits import DASHES, HUES

MOST_CLIENTS: Final = 7
"""Lines that can be told from each other in one panel."""
GAP: Final = 52.0
"""Between two columns of panels, with the ticks of the right one."""
LEGEND_ROW: Final = 16.0


def shown(run: RunView) -> tuple[ClientView, ...]:
    """The clients that are drawn: all of them, or `MOST_CLIENTS`, evenly from the whole list."""
    if len(run.clients) <= MOST_CLIENTS:
        return run.clients
    picks = np.linspace(0, len(run.clients) - 1, MOST_CLIENTS).round().astype(int)
    return tuple(run.clients[pick] for pick in picks)


def how_many(run: RunView) -> str:
    """What a title adds where not all clients are drawn."""
    clients = len(run.clients)
    return "" if clients <= MOST_CLIENTS else f" ({MOST_CLIENTS} of {clients} clients)"


def region_of(view: ClientView, name: str) -> RegionView | None:
    """What a client had of a region; None if it knows no such region."""
    return next((one for one in view.regions if one.name == name), None)


def style(index: int) -> tuple[str, object]:
    """(Colour, dashes) of the line of a client: the same in every panel, and as in the charts of waits."""
    return HUES[index % len(HUES)].light, DASHES[(index // len(HUES) + index) % len(DASHES)]


def column(figure: Figure, number: int, of: int, *, top: float, height: float) -> Axes:
    """The panel of column `number` in a row of `of` panels that have the whole width of the page."""
    room = (canvas.WHOLE_PAGE - canvas.LEFT - canvas.RIGHT - GAP * (of - 1)) / of
    left = canvas.LEFT + number * (room + GAP)
    right = canvas.WHOLE_PAGE - left - room
    return canvas.panel(figure, top=top, height=height, left=left, right=right)


def name_column(axes: Axes, name: str) -> None:
    """The region above the first panel of its column, and above what that panel shows."""
    axes.annotate(
        canvas.fit(name, canvas.width_of(axes) / canvas.BOLDER, canvas.TEXT), (0, 1), (0, 22), xycoords="axes fraction",
        textcoords="offset points", ha="left", va="bottom", fontsize=canvas.TEXT, fontweight="bold",
        color=palette.INK.light, annotation_clip=False,
    )  # fmt: skip


def legend(figure: Figure, run: RunView) -> None:
    """The clients' names above all panels, below the headline."""
    clients = shown(run)
    handles = [
        Line2D([], [], color=colour, linestyle=dashes, linewidth=1.8)  # type: ignore[arg-type]  # dashes, as in `plot`
        for colour, dashes in (style(index) for index in range(len(clients)))
    ]
    names = [canvas.fit(view.client, column_width(run) - 50, canvas.SMALL) for view in clients]
    height = figure.get_size_inches()[1] * 72
    figure.legend(
        handles, names, loc="upper left", ncols=legend_columns(run), frameon=False, fontsize=canvas.SMALL,
        bbox_to_anchor=(4 / canvas.WHOLE_PAGE, 1 - 26 / height), borderaxespad=0, borderpad=0, handlelength=3.2,
        labelcolor=palette.INK.light, labelspacing=0.45, columnspacing=2.5,
    )  # fmt: skip


def legend_columns(run: RunView) -> int:
    """How many names stand beside each other."""
    return min(4, len(shown(run)))


def column_width(run: RunView) -> float:
    """What a name may take in the legend, with its line."""
    return (canvas.WHOLE_PAGE - 40) / legend_columns(run)


def legend_height(run: RunView) -> float:
    """What the legend takes in pixels."""
    return LEGEND_ROW * -(-len(shown(run)) // legend_columns(run))
