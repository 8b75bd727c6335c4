"""Goodput over time as a line of text: `████▇▁▁▁▃▆██`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from windtunnel.reports.charts.bins import bin_width
from windtunnel.reports.charts.view import Floats
from windtunnel.reports.check.model import GoodputStrip, PhaseMark
from windtunnel.reports.read.outcomes import Judged
from windtunnel.reports.read.run_dir import CellRecords

WIDTH: Final = 60
"""Columns of a strip at most."""
BLOCKS: Final = "▁▂▃▄▅▆▇█"
NONE_DUE: Final = "·"


def strip_of(cells: Sequence[Judged]) -> GoodputStrip:
    """The share of good calls over time, over all `cells` of one client together."""
    at = edges(cells[0].cell)
    offered, good = np.zeros(len(at) - 1), np.zeros(len(at) - 1)
    for one in cells:
        calls = one.calls[one.calls["judged"]]
        due = calls["intended_s"].to_numpy(dtype=float)
        offered += np.histogram(due, at)[0]
        good += np.histogram(due[calls["good"].to_numpy()], at)[0]
    return GoodputStrip(tuple(float(g / n) if n else None for g, n in zip(good, offered, strict=True)))


def edges(cell: CellRecords) -> Floats:
    """The bounds of the columns, in seconds from t0."""
    length = cell.end_s - cell.start_s
    width = bin_width(length, WIDTH)
    columns = max(1, math.ceil(length / width - 1e-9))
    return np.asarray(cell.start_s + width * np.arange(columns + 1), dtype=np.float64)


def phase_marks(cell: CellRecords) -> tuple[PhaseMark, ...]:
    """The column in which each phase begins."""
    at = edges(cell)
    return tuple(
        PhaseMark(int(np.searchsorted(at, phase.start_s + 1e-9) - 1), phase.name, phase.faulty)
        for phase in cell.phases
    )


def drawn(strip: GoodputStrip) -> str:
    """The strip in block characters. A full block is all calls, and the lowest one hardly any or none."""
    return "".join(
        NONE_DUE if share is None else BLOCKS[math.floor(share * (len(BLOCKS) - 1) + 1e-9)]
        for share in strip.shares
    )


def legend(marks: Sequence[PhaseMark], columns: int) -> str:
    """The names of the phases below a strip, each at its first column; a faulty phase has a `!`."""
    line = ""
    ends = [*(mark.column for mark in marks[1:]), columns]
    for mark, end in zip(marks, ends, strict=False):
        room = end - mark.column
        name = f"│{'!' if mark.faulty else ''}{mark.name}"
        if end < columns and len(name) > room:
            name = f"{name[: max(1, room - 1)]}…" if room > 2 else name[:room]
        line += name.ljust(room)
    return line.rstrip()
