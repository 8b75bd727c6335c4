"""The progress of a run on stderr: a live bar per cell on a terminal, plain lines elsewhere.

Many cells have one bar, or one line, together.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from windtunnel.harness.run.cell import Cell

PLAIN_EVERY_S = 5.0
MOST_ROWS = 8
"""Cells that are shown one by one; more have a bar in common."""
ENDED = ("finished", "interrupted", "failed")


class Reporter(Protocol):
    """Something that shows how far the cells are; entered around a run."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, cells: Sequence[Cell]) -> None: ...

    def say(self, message: str) -> None: ...


def reporter(console: Console) -> Reporter:
    """The live form on a terminal, the plain one elsewhere."""
    return LiveReporter(console) if console.is_terminal else PlainReporter(console)


def amplification(cell: Cell) -> str:
    """Attempts per call that has ended, while it runs: an indication, not the metric."""
    done = cell.progress.ended
    return f"{cell.progress.attempts / done:.2f}" if done else "-"


class RunProgress:
    """How far many cells are together, and how long the rest will take at the same speed."""

    def __init__(self) -> None:
        self._since: float | None = None

    def share(self, cells: Sequence[Cell]) -> float:
        """The part of all cells' time that is played, 0 to 1."""
        parts = [
            1.0 if cell.state in ENDED else min(max(cell.progress.at_s / cell.length_s, 0.0), 0.99)
            for cell in cells
        ]
        return sum(parts) / len(parts)

    def counts(self, cells: Sequence[Cell]) -> str:
        """`37 of 400 cells`, and how many of them failed."""
        ended = sum(cell.state in ENDED for cell in cells)
        failed = sum(cell.state == "failed" for cell in cells)
        return f"{ended} of {len(cells)} cells" + (f", {failed} failed" if failed else "")

    def left(self, cells: Sequence[Cell], now: float) -> str:
        """`about 310 s left`; empty while there is nothing to go by. `now` is monotonic seconds."""
        if self._since is None:
            self._since = now
        share = self.share(cells)
        if share <= 0.0 or share >= 1.0 or now - self._since < 1.0:
            return ""
        seconds = (now - self._since) * (1 - share) / share
        return f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left"


class LiveReporter:
    """A table that is drawn again in place, a row and a bar per cell."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._whole = RunProgress()
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, cells: Sequence[Cell]) -> None:
        """Draw every cell as it stands now, or all of them in one bar."""
        if len(cells) > MOST_ROWS:
            self._live.update(self._together(cells))
            return
        table = Table(box=None, pad_edge=False)
        for title, align in (("cell", "left"), ("phase", "left"), ("", "left"), ("s", "right")):
            table.add_column(title, justify="left" if align == "left" else "right", no_wrap=True)
        for title in ("calls", "good", "attempts", "per call"):
            table.add_column(title, justify="right", no_wrap=True)
        for cell in cells:
            done = cell.progress
            bar = ProgressBar(
                total=cell.length_s, completed=min(max(done.at_s, 0.0), cell.length_s), width=24
            )
            phase = done.phase if cell.state == "running" else cell.state
            seconds = f"{done.at_s:.0f}/{cell.length_s:.0f}"
            counts = (str(done.ended), str(done.ok), str(done.attempts))
            table.add_row(cell.name, phase, bar, seconds, *counts, amplification(cell))
        self._live.update(table)

    def _together(self, cells: Sequence[Cell]) -> Table:
        whole = self._whole
        table = Table(box=None, pad_edge=False, show_header=False)
        bar = ProgressBar(total=1.0, completed=whole.share(cells), width=48)
        calls = f"{sum(cell.progress.ended for cell in cells):,} calls"
        table.add_row(whole.counts(cells), bar, calls, whole.left(cells, time.monotonic()))
        return table

    def say(self, message: str) -> None:
        """A line that stays."""
        self._console.print(message, highlight=False)


class PlainReporter:
    """A line every few seconds over all cells, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._whole = RunProgress()
        self._last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, cells: Sequence[Cell]) -> None:
        """Print a line of how far all cells are, if the last time is long enough ago."""
        if time.monotonic() - self._last < PLAIN_EVERY_S:
            return
        self._last = time.monotonic()
        whole = self._whole
        ended, attempts = (
            sum(cell.progress.ended for cell in cells),
            sum(cell.progress.attempts for cell in cells),
        )
        calls = f"{ended:,} calls, {attempts:,} attempts" if ended else ""
        parts = (
            whole.counts(cells),
            f"{100 * whole.share(cells):.0f} %",
            calls,
            whole.left(cells, self._last),
        )
        self.say(", ".join(part for part in parts if part))

    def say(self, message: str) -> None:
        """Print one line."""
        self._console.print(message, highlight=False, soft_wrap=True)
