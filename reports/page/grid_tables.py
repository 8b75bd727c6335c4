"""The grid as tables for a page: heatmaps, where the time went, what timeouts would have cut."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.grid.model import PARTS, Best, Grid, GridCell, Setting
from windtunnel.reports.grid.timeouts import LAYERS, LayerTimes
from windtunnel.reports.page.grid_words import ColumnAnswer, answers, how, place, setting
from windtunnel.reports.page.labels import Label, label, say

BEST, CHOSEN, ALIKE = "★", "✓", "≈"
STRONGEST: Final = 60
"""Per cent of the colour in the surface's: text on it stays legible."""
LEGEND: Final = (
    f"{BEST} is the best of its column, {ALIKE} as good as far as can be told, {CHOSEN} the smallest of these, the "
    "one to take. Hatched: no candidate, for it had fewer good calls, or nothing valid was measured."
)


@dataclass(frozen=True, slots=True)
class HeatField:
    """A field of a heatmap: its signs and value, how it looks (CSS; empty: hatched), and what more is to say."""

    text: str
    style: str
    why: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One heatmap: a row for each value of a setting, a column for each of another."""

    title: str
    rows: tuple[tuple[str, tuple[HeatField, ...]], ...]


@dataclass(frozen=True, slots=True)
class CutTable:
    """What timeouts would have cut of the calls of one column's chosen cell: a row for each timeout."""

    title: str
    layers: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class GridText:
    """The whole section of a report."""

    label: Label
    direction: str
    scale: str
    columns: tuple[str, ...]
    row_head: str
    panels: tuple[Panel, ...]
    answers: tuple[ColumnAnswer, ...]
    how: str
    parts: tuple[tuple[str, tuple[str, ...]], ...]
    cuts: tuple[CutTable, ...]
    shown: int
    of: int
    legend: str = LEGEND

    @property
    def layers(self) -> Mapping[str, str]:
        """What the timeouts that are judged are of."""
        used = {layer for table in self.cuts for layer in table.layers}
        return {layer: what for layer, what in LAYERS.items() if layer in used}

    @property
    def part_heads(self) -> tuple[str, ...]:
        """The heads of the table of parts."""
        return (
            self.label.text,
            "Good calls",
            *(text.capitalize() for text in PARTS.values()),
            "New connections",
        )


def grid_text(grid: Grid, times: Mapping[str, LayerTimes], timeouts: Sequence[float]) -> GridText:
    """The grid in words and tables."""
    row = METRICS[grid.metric]
    return GridText(
        label=label(grid.metric),
        direction=f"{'less' if row.better == 'lower' else 'more'} is better",
        scale=_scale(grid.metric),
        columns=tuple(setting(grid.columns, value) for value in grid.values[grid.columns]),
        row_head="" if grid.rows is None else grid.rows,
        panels=tuple(_panels(grid)),
        answers=tuple(answers(grid, times, timeouts)),
        how=how(grid),
        parts=tuple(_parts(grid)),
        cuts=tuple(_cuts(grid, times, timeouts)),
        shown=len(grid.shown),
        of=len(grid.cells),
    )


def _panels(grid: Grid) -> Iterator[Panel]:
    by_place = {(cell.client, *_at(grid, cell)): cell for cell in grid.cells}
    rows: Sequence[Setting] = (None,) if grid.rows is None else grid.values[grid.rows]
    for client in grid.clients:
        for point in product(*(grid.values[key] for key in grid.panels)):
            told = [setting(key, value) for key, value in zip(grid.panels, point, strict=True)]
            title = ", ".join([*([client] if len(grid.clients) > 1 else []), *told])
            yield Panel(
                title,
                tuple(
                    (
                        "" if grid.rows is None else setting(grid.rows, row),
                        tuple(
                            _field(grid, by_place.get((client, column, row, *point)))
                            for column in grid.values[grid.columns]
                        ),
                    )
                    for row in rows
                ),
            )


def _at(grid: Grid, cell: GridCell) -> tuple[Setting, ...]:
    row = None if grid.rows is None else cell.at[grid.rows]
    return (cell.at[grid.columns], row, *(cell.at[key] for key in grid.panels))


def _field(grid: Grid, cell: GridCell | None) -> HeatField:
    if cell is None:
        return HeatField("not played", "", "this cell was not asked for")
    if cell.trouble:
        return HeatField(cell.trouble, "", f"{cell.name}: {cell.trouble}")
    if cell.figure.value is None:
        return HeatField("?", "", cell.figure.reason or "has no value")
    best = grid.best_of(cell)
    text = ("≥ " if cell.figure.censored else "") + say(cell.figure.value, label(grid.metric).kind)
    good = "" if cell.goodput is None else f", {say(cell.goodput, 'share')} of its calls good"
    style = ""
    if best.best is not None and any(one.name == cell.name for one in best.able):
        style = _colour(_badness(grid.metric, cell.number, best.best.number))
    return HeatField(" ".join([*_signs(best, cell), text]), style, f"{place(cell, '')}{good}")


def _signs(best: Best, cell: GridCell) -> Iterator[str]:
    if best.chosen is not None and cell.name == best.chosen.name:
        yield CHOSEN
    if best.best is not None and cell.name == best.best.name:
        yield BEST
    elif any(cell.name == one.name for one in best.alike):
        yield ALIKE


def _badness(metric: str, value: float, best: float) -> float:
    """0 for the column's best, 1 for what is twice as bad; of a share, for what is 50 points worse."""
    row = METRICS[metric]
    if row.kind == "share":
        return min(1.0, abs(value - best) * 2)
    low, high = (best, value) if row.better == "lower" else (value, best)
    if low <= 0:
        return 0.0 if high <= 0 else 1.0
    return min(1.0, math.log2(max(high / low, 1.0)))


def _scale(metric: str) -> str:
    if METRICS[metric].kind == "share":
        return "blue: the best of its column; orange: 50 points worse, or more"
    longer = "twice as much" if METRICS[metric].better == "lower" else "half as much"
    return f"blue: the best of its column; orange: {longer}, or worse"


def _colour(bad: float) -> str:
    """Blue for good and orange for bad, pale in the middle, as in the matrix."""
    name, share = ("good", 1 - 2 * bad) if bad < 0.5 else ("bad", 2 * bad - 1)
    return f"background:color-mix(in srgb,var(--wt-{name}) {share * STRONGEST:.0f}%,var(--wt-surface))"


def _parts(grid: Grid) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Of each cell its figure, its good calls, and what an attempt spent its time with, in the mean."""
    for cell in grid.cells:
        found = cell.sample
        times = [say(found.parts.get(part), "seconds") if found and found.parts else "" for part in PARTS]
        opened = "" if found is None or found.opened is None else f"{found.opened:.3f} per attempt"
        value = "" if cell.trouble else say(cell.figure.value, label(grid.metric).kind)
        yield cell.name, (cell.trouble or value, say(cell.goodput, "share"), *times, opened)


def _cuts(grid: Grid, times: Mapping[str, LayerTimes], timeouts: Sequence[float]) -> Iterator[CutTable]:
    for best in grid.bests:
        if best.chosen is None or best.chosen.name not in times or not timeouts:
            continue
        cuts = times[best.chosen.name].cuts(timeouts)
        layers = tuple(dict.fromkeys(cut.layer for cut in cuts))
        by = {(cut.layer, cut.seconds): cut for cut in cuts}
        rows = [
            (
                say(seconds, "seconds"),
                tuple(
                    f"{say(by[layer, seconds].share, 'share')} (up to {say(by[layer, seconds].most, 'share')})"
                    for layer in layers
                ),
            )
            for seconds in sorted(timeouts)
        ]
        title = ", ".join(setting(key, value) for key, value in best.chosen.at.items())
        who = f"{best.client}, {title}" if len(grid.clients) > 1 else title
        yield CutTable(who, layers, tuple(rows))
