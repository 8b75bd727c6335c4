"""The progress of a step: one line that says how far its run is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from windtunnel.harness.run.cell import Cell
from windtunnel.harness.run.progress import RunProgress


class QuietReporter:
    """Tells `say` how far all cells are together."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._progress = RunProgress()

    def __enter__(self) -> Self:
        self._progress = RunProgress()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to show."""

    def show(self, cells: Sequence[Cell]) -> None:
        """Say what part is played."""
        self._say(f"playing, {self._progress.share(cells):.0%}")

    def say(self, message: str) -> None:
        """What a run says besides is of its own report."""
