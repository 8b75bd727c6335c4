"""The grid in words: what is best for which column, by how much, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.charts import CallTime
from windtunnel.reports.grid.model import PARTS, Best, Grid, GridCell, Setting
from windtunnel.reports.grid.timeouts import SHARE, SURE, LayerTimes
from windtunnel.reports.page.labels import label, say

WORTH_SAYING: Final = 0.005
"""Seconds: a part of an attempt's time that differs by less is not told as a reason."""
HOW: Final[Mapping[str, str]] = {
    "repeats": "Cells are compared repeat by repeat: each repeat has the same calls for all of them.",
    "stretches": "Cells have the same calls and are compared stretch by stretch: the time was cut into stretches of "
    "equal length.",
    "": "There were too few calls to tell a difference from chance: longer phases would, or --repeat 5, or --seeds 20.",
}


FEW_CONNECTIONS: Final = 10


def how(grid: Grid) -> str:
    """How cells were compared, and what that does not tell."""
    few = {
        cell.sample.connections
        for cell in grid.cells
        if not cell.trouble and cell.sample is not None and 0 < cell.sample.connections < FEW_CONNECTIONS
    }
    if grid.sure != "stretches" or not few:
        return HOW[grid.sure]
    return (
        f"{HOW[grid.sure]} That tells nothing of connections, which may be lucky ones: some cells had {min(few)} all "
        "the time. Differences to these are sure over seeds alone (--seeds 10)."
    )


@dataclass(frozen=True, slots=True)
class ColumnAnswer:
    """What is said of one column: its best setting, why, and which timeouts would do."""

    column: str
    sentence: str
    why: str
    timeouts: str

    @property
    def text(self) -> str:
        """All of it, as one paragraph."""
        return " ".join(part for part in (f"{self.column}: {self.sentence}", self.why, self.timeouts) if part)


def setting(key: str, value: Setting) -> str:
    """A setting as people say it: `pool 10`, `HTTP/2`, `us-east`, `timeouts.read 30s`."""
    said = (
        "without a limit" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
    if key == "region":
        return said
    return f"HTTP/{said}" if key == "http" else f"{key.removeprefix('load.')} {said}"


def place(cell: GridCell, without: str) -> str:
    """Where a cell stands in its column: `pool 10, HTTP/1.1`."""
    return ", ".join(setting(key, value) for key, value in cell.at.items() if key != without)


def cell_times(grid: Grid) -> list[CallTime]:
    """Where the time of calls goes in every cell that had good ones, column by column."""
    return [
        CallTime(
            setting(grid.columns, best.column),
            ": ".join(
                filter(None, (cell.client if len(grid.clients) > 1 else "", place(cell, grid.columns)))
            ),
            cell.sample.call_parts,
            cell.sample.slow_call_parts,
            cell.goodput or 0.0,
        )
        for best in grid.bests
        for cell in best.cells
        if cell.sample is not None and (cell.sample.call_parts or cell.goodput == 0)
    ]


def answers(grid: Grid, times: Mapping[str, LayerTimes], timeouts: Sequence[float]) -> list[ColumnAnswer]:
    """What is said of each column; `times` are those of the cells that were chosen, by name."""
    return [
        ColumnAnswer(
            column=_column(grid, best),
            sentence=_sentence(grid, best),
            why=_why(grid, best),
            timeouts=_timeouts(best, times, timeouts),
        )
        for best in grid.bests
    ]


def _column(grid: Grid, best: Best) -> str:
    column = setting(grid.columns, best.column)
    return column if len(grid.clients) == 1 else f"{best.client}, {column}"


def _sentence(grid: Grid, best: Best) -> str:
    """Which cell, its value, and how it stands to the others."""
    if best.best is None or best.chosen is None:
        return "no cell can be recommended: in all of them too few calls were good, or nothing valid was measured."
    chosen = best.chosen
    parts = [
        f"{place(chosen, grid.columns)}: {_value(grid, chosen)}",
        *_alike(grid, best),
        *_margin(grid, best),
    ]
    told = [
        f" Of {_panel(grid, one)} alone {_row(grid, one)}: {_value(grid, one)}." for one in best.elsewhere
    ]
    return "; ".join(parts) + "." + "".join(told)


def _panel(grid: Grid, cell: GridCell) -> str:
    return ", ".join(setting(key, cell.at[key]) for key in grid.panels)


def _row(grid: Grid, cell: GridCell) -> str:
    return "" if grid.rows is None else setting(grid.rows, cell.at[grid.rows])


def _alike(grid: Grid, best: Best) -> Iterator[str]:
    """How many others are as good as the chosen one, and which of them is the best."""
    if not best.alike or best.best is None:
        return
    count = len(best.alike)
    top = (
        ""
        if best.best is best.chosen
        else f", the best {place(best.best, grid.columns)}: {_value(grid, best.best)}"
    )
    yield f"{count} {'other is' if count == 1 else 'others are'} as good within {_floor(grid)}{top}"


def _margin(grid: Grid, best: Best) -> Iterator[str]:
    """By how much the best is better than what is worse, or why nothing is there to be compared with."""
    if best.next_best is not None and best.margin is not None and best.best is not None:
        after = f"{place(best.next_best, grid.columns)}: {_value(grid, best.next_best)}"
        who = "" if best.best is best.chosen else f"{place(best.best, grid.columns)} is "
        yield f"{who}{100 * best.margin:.0f} % better than the next ({after})"
    left = len(best.cells) - len(best.able)
    if left:
        yield f"{left} of its {len(best.cells)} cells had fewer good calls, or no valid figure"


def _value(grid: Grid, cell: GridCell) -> str:
    return ("≥ " if cell.figure.censored else "") + say(cell.figure.value, label(grid.metric).kind)


def _floor(grid: Grid) -> str:
    """What a difference has to exceed: chance, and what matters of this metric."""
    floor, kind = METRICS[grid.metric].floor, label(grid.metric).kind
    parts = ["chance", *([say(floor.absolute, kind)] if floor.absolute else [])]
    parts += [f"{100 * floor.share:g} %"] if floor.share else []
    return f"{', '.join(parts[:-1])} or {parts[-1]}" if len(parts) > 1 else parts[0]


def _why(grid: Grid, best: Best) -> str:
    """What the worst cell of the column lost its time with, against the chosen one."""
    chosen = best.chosen
    others = [one for one in best.cells if chosen is not None and one.name != chosen.name and one.sample]
    others = [one for one in others if one.sample is not None and one.sample.parts]
    if chosen is None or chosen.sample is None or not others:
        return ""
    worst = max(others, key=lambda one: _longer(one, chosen))
    if worst.sample is None or _longer(worst, chosen) < WORTH_SAYING:
        return ""
    differences = {part: worst.sample.parts[part] - chosen.sample.parts[part] for part in PARTS}
    part = max(differences, key=lambda one: differences[one])
    told = (
        f"With {place(worst, grid.columns)} an attempt took {say(_longer(worst, chosen), 'seconds')} longer (mean), "
        f"{say(differences[part], 'seconds')} of it {PARTS[part]}"
    )
    if worst.goodput is not None and chosen.goodput is not None and chosen.goodput - worst.goodput > 0.005:
        told += f", and {say(worst.goodput, 'share')} of its calls were good"
    return f"{told}."


def _longer(cell: GridCell, than: GridCell) -> float:
    """By how many seconds an attempt of one cell took longer than one of another, in the mean."""
    assert cell.sample is not None
    assert than.sample is not None
    return sum(cell.sample.parts.values()) - sum(than.sample.parts.values())


def _timeouts(best: Best, times: Mapping[str, LayerTimes], timeouts: Sequence[float]) -> str:
    """The smallest timeouts, of those asked for, that would have cut hardly a call."""
    if best.chosen is None or not timeouts or best.chosen.name not in times:
        return ""
    safe = times[best.chosen.name].safe(timeouts)
    if not safe:
        return f"None of the timeouts asked for cuts at most {100 * SHARE:g} % of the calls."
    told = ", ".join(
        f"{layer} {say(cut.seconds, 'seconds')}" + (f" (of only {cut.of})" if cut.most > SURE else "")
        for layer, cut in safe.items()
    )
    return f"Smallest timeouts, of those asked for, that cut at most {100 * SHARE:g} %: {told}."
