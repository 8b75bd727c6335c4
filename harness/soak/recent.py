"""What became of the calls of the last half minute, from segments that are still being written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc

from windtunnel.harness.contract.steps import read_steps
from windtunnel.harness.load.kept_calls import calls_of_served
from windtunnel.mock_server.journal.segments import read_batches

RECENT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class RecentFigures:
    """Calls seen so far; of those that ended lately, the share of good ones and the 95th percentile of their wait."""

    calls: int
    goodput: float | None
    p95_s: float | None


class RecentCalls:
    """Reads what is new in the segments of a cell. `driven`: calls have a table of their own."""

    def __init__(self, cell: Path, deadline_s: float, *, driven: bool) -> None:
        self._cell = cell
        self._deadline_s = deadline_s
        self._driven = driven
        self._sizes: dict[Path, int] = {}
        self._calls: dict[Path, int] = {}
        self._before = sum(step.due for step in read_steps(cell))

    def look(self, now_s: float) -> RecentFigures:
        """The figures at `now_s` seconds after the start of the soak."""
        rows = [row for path in self._grown() for row in self._read(path, now_s - RECENT_S)]
        if self._driven:
            ended = [(row["ended_s"] - row["intended_s"], row["outcome"] == "ok") for row in rows]
        else:
            ended = [
                (one.ended_s - one.intended_s, one.outcome == "ok")
                for one in calls_of_served(rows, "")
                if one.ended_s is not None
            ]
        good = sorted(wait for wait, ok in ended if ok and wait <= self._deadline_s)
        return RecentFigures(
            calls=self._before + sum(self._calls.values()),
            goodput=len(good) / len(ended) if ended else None,
            p95_s=good[math.ceil(0.95 * len(good)) - 1] if good else None,
        )

    def _grown(self) -> list[Path]:
        """The segments that are longer than at the last look."""
        found = []
        for path in self._cell.glob("calls-*.arrows" if self._driven else "served-*.arrows"):
            size = path.stat().st_size
            if self._sizes.get(path) != size:
                self._sizes[path] = size
                found.append(path)
        return found

    def _read(self, path: Path, since_s: float) -> Iterator[dict[str, Any]]:
        """Count the calls of a segment, and give the rows that ended after `since_s`."""
        count = 0
        for batch in read_batches(path):
            first = batch if self._driven else batch.filter(pc.field("attempt") == 0)
            count += first.num_rows
            yield from batch.filter(pc.field("ended_s") > since_s).to_pylist()
        self._calls[path] = count
