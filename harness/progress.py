"""What a person sees while a run goes on: a live bar per cell on a terminal, plain lines elsewhere (stderr)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from harness.cell import Cell

PLAIN_EVERY_S = 5.0


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


class LiveReporter:
    """A table that is drawn again in place, a row and a bar per cell."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, cells: Sequence[Cell]) -> None:
        """Draw every cell as it stands now."""
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

    def say(self, message: str) -> None:
        """A line that stays."""
        self._console.print(message, highlight=False)


class PlainReporter:
    """A line per cell every few seconds, for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, cells: Sequence[Cell]) -> None:
        """Print every cell as it stands now, if the last time is long enough ago."""
        if time.monotonic() - self._last < PLAIN_EVERY_S:
            return
        self._last = time.monotonic()
        for cell in cells:
            done = cell.progress
            phase = done.phase if cell.state == "running" else cell.state
            self.say(
                f"{cell.name}: {phase}, {done.at_s:.0f} of {cell.length_s:.0f} s, {done.ended} calls, "
                f"{done.ok} good, {done.attempts} attempts ({amplification(cell)} per call)"
            )

    def say(self, message: str) -> None:
        """Print one line."""
        self._console.print(message, highlight=False, soft_wrap=True)
