"""A grid as objects: cells by their coordinates, and of each column the best one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from windtunnel.reports.metrics.figure import Figure

Setting: TypeAlias = bool | int | float | str | None
Sure: TypeAlias = Literal["repeats", "stretches", ""]
"""What a difference is held against: that between repeats, between stretches of time of one play, or nothing."""

PARTS: Final[Mapping[str, str]] = {
    "pool": "waiting for a connection in the client's pool",
    "opening": "opening connections",
    "headers": "waiting for the answer to begin",
    "body": "reading the answer",
}
"""What the time of an attempt goes into, one after the other."""


@dataclass(frozen=True, slots=True)
class CellSample:
    """What is kept of a cell beside its figures.

    `stretches` has the metric in each of some stretches of time of equal length; NaN where it has no value there.
    `parts` are the means of PARTS over all attempts, in seconds, `opened` the connections opened for each attempt, and
    `opening_s` how long each of these took, TLS included. `connections`: how many served its calls. `call_parts` are
    the mean parts of good calls (`reports.metrics.timing`), `slow_call_parts` those around the 95th percentile.
    """

    stretches: tuple[float, ...]
    parts: Mapping[str, float]
    opened: float | None
    opening_s: tuple[float, ...] = ()
    connections: int = 0
    call_parts: Mapping[str, float] = field(default_factory=dict)
    slow_call_parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GridCell:
    """One cell. `at` are its coordinates; `trouble` is why its figure says nothing, empty if it does.

    `series` is the metric in pieces that pair with those of every other cell: repeats, or stretches of time.
    """

    name: str
    client: str
    at: Mapping[str, Setting]
    figure: Figure
    goodput: float | None
    trouble: str = ""
    series: tuple[float, ...] = ()
    sample: CellSample | None = None

    @property
    def number(self) -> float:
        """The value of a figure that has one."""
        assert self.figure.value is not None
        return float(self.figure.value)


@dataclass(frozen=True, slots=True)
class Best:
    """The best cell of a column, of one client.

    `able` are the candidates: cells with a valid figure and as many good calls as the others of the column.
    `alike` are those that are as good as far as can be told: the difference is within noise, or too small to matter.
    `chosen` is the smallest of `best` and those. `next_best` is the best of the others, None if there is none, and
    `margin` by what share of its value `best` is better. `elsewhere`: what would be chosen of each other panel.
    """

    client: str
    column: Setting
    cells: tuple[GridCell, ...]
    able: tuple[GridCell, ...] = ()
    best: GridCell | None = None
    chosen: GridCell | None = None
    alike: tuple[GridCell, ...] = ()
    next_best: GridCell | None = None
    margin: float | None = None
    elsewhere: tuple[GridCell, ...] = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """All cells, by the setting whose values are `columns`, the one of `rows`, and the others (`panels`)."""

    metric: str
    columns: str
    rows: str | None
    panels: tuple[str, ...]
    values: Mapping[str, tuple[Setting, ...]]
    clients: tuple[str, ...]
    cells: tuple[GridCell, ...]
    bests: tuple[Best, ...]
    sure: Sure

    def best_of(self, cell: GridCell) -> Best:
        """The column in which a cell stands."""
        return next(
            one for one in self.bests if one.client == cell.client and one.column == cell.at[self.columns]
        )

    @property
    def shown(self) -> tuple[str, ...]:
        """The cells that are worth a look of their own: the chosen ones of each column."""
        found = [(one.chosen or one.cells[0]).name for one in self.bests if one.cells]
        return tuple(dict.fromkeys(found))

    def openings(self, name: str) -> list[float]:
        """How long connections took to open, in seconds, in all cells of the column in which `name` stands."""
        column = next(one for one in self.bests if any(cell.name == name for cell in one.cells))
        samples = (cell.sample for cell in column.cells)
        return [seconds for sample in samples if sample is not None for seconds in sample.opening_s]
