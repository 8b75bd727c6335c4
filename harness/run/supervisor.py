"""The supervisor plays the cells of a run, in waves of `jobs` cells that share one start, and ends every child.

Cells of a wave start together and only once all of them are ready, so that no cell's imports and first
connections disturb another one's measurement.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.plan import RunPlan
from windtunnel.harness.run.cell import POLL_S, Cell
from windtunnel.harness.run.progress import Reporter
from windtunnel.harness.run.terminal import leave_the_terminal

LEAD_S = 1.0
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Plays a plan into `folder`. `interrupted` tells whether the user asked to stop."""

    kind: type[Cell] = Cell

    def __init__(self, plan: RunPlan, folder: Path, *, jobs: int, reporter: Reporter) -> None:
        self.cells: Sequence[Cell] = [
            self.kind(cell, folder / cell.dir, plan.processes) for cell in plan.cells
        ]
        self.interrupted = False
        self._jobs = jobs
        self._reporter = reporter
        self._stop = asyncio.Event()

    async def play(self) -> None:
        """Play every cell. A cell that fails is marked so, and the others of its wave go on."""
        with self._interruptible():
            for first in range(0, len(self.cells), self._jobs):
                wave = self.cells[first : first + self._jobs]
                if self._stop.is_set():
                    for cell in wave:
                        cell.fail("interrupted", "stopped before it began")
                    continue
                await self._play_wave(wave)

    async def play_again(self, because: Mapping[str, str]) -> None:
        """Play some cells once more, each alone: by name, with the reason, which their status keeps."""
        self._stop = asyncio.Event()  # the first one belongs to the loop of the first play
        with self._interruptible():
            self.cells = [
                cell.again(because[cell.name]) if cell.name in because else cell for cell in self.cells
            ]
            for cell in self.cells:
                if cell.name in because and not self._stop.is_set():
                    await self._play_wave([cell])

    async def _play_wave(self, wave: Sequence[Cell]) -> None:
        for cell in wave:
            cell.prepare()
        shown = asyncio.create_task(self._show(self.cells))
        try:
            await self._each(wave, lambda cell: cell.start())
            alive = [cell for cell in wave if cell.state == "preparing"]
            if alive and not self._stop.is_set():
                t0 = time.monotonic() + LEAD_S + max(cell.plan.warmup_s for cell in alive)
                await self._each(alive, lambda cell: cell.begin(t0))
                await self._each(
                    [cell for cell in alive if cell.state == "running"], lambda cell: cell.watch()
                )
        finally:
            for cell in wave:
                if cell.state in ("preparing", "running"):
                    cell.fail("interrupted", "stopped by the user")
            await asyncio.gather(*(cell.close() for cell in wave))
            shown.cancel()
            self._reporter.show(self.cells)

    async def _each(self, cells: Sequence[Cell], act: Callable[[Cell], Awaitable[None]]) -> None:
        """Do `act` with every cell at once, until all are done or the user asks to stop."""
        work = [asyncio.create_task(self._guarded(cell, act)) for cell in cells]
        stopping = asyncio.create_task(self._stop.wait())
        pending: set[asyncio.Task[None]] = set(work)
        while pending and not stopping.done():
            done, _ = await asyncio.wait({*pending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            pending -= done
        stopping.cancel()
        for task in pending:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        for task in work:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _guarded(self, cell: Cell, act: Callable[[Cell], Awaitable[None]]) -> None:
        try:
            await act(cell)
        except (MeasurementError, OSError, aiohttp.ClientError) as error:
            cell.fail("failed", str(error))
            self._say_failed(cell)

    def _say_failed(self, cell: Cell) -> None:
        self._reporter.say(f"{cell.name}: {cell.reason}")

    async def _show(self, cells: Sequence[Cell]) -> None:
        while True:
            self._reporter.show(cells)
            await asyncio.sleep(POLL_S)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """A first SIGINT, SIGTERM or SIGHUP stops the run in good order; a second one quits at once (not of SIGHUP:
        a terminal that closes may send it twice).

        Quitting at once is safe: every child asked the kernel to end it with its parent.
        """
        loop = asyncio.get_running_loop()

        def on_signal(number: signal.Signals) -> None:
            if number == signal.SIGHUP:
                leave_the_terminal()
                if self.interrupted:
                    return
            if self.interrupted:
                os._exit(130)
            self.interrupted = True
            self._stop.set()
            self._reporter.say("Stopping: records are kept, a partial report follows. Again to quit at once.")

        # Whoever ignores a signal from the start (`nohup` does so) means it.
        heard = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
        for number in heard:
            loop.add_signal_handler(number, on_signal, number)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)
