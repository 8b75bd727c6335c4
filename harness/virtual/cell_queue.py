"""Plays the cells of a run on the virtual clock: `jobs` processes take one cell after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, cast

from windtunnel.harness.plan import RunPlan
from windtunnel.harness.run.cell import Cell
from windtunnel.harness.run.progress import Reporter
from windtunnel.harness.run.supervisor import Supervisor
from windtunnel.harness.virtual.virtual_cell import Shard, VirtualCell

Verify: TypeAlias = bool | Literal["own"] | None
"""Which cells are played twice: all, none, all of a user's own code, or (None) the first of each such client."""


class Shards:
    """Shards that outlive a run, for runs that follow each other: a start of one takes two seconds of CPU.

    They talk to one loop, which `run` gives to each run in turn. Their logs are in `folder`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._runner = asyncio.Runner()
        self._shards: dict[str, Shard] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self.end())
        self._runner.close()

    def run(self, play: Coroutine[Any, Any, None]) -> None:
        """Play a run on the loop that all of them share."""
        self._runner.run(play)

    def named(self, name: str) -> Shard:
        """The shard of this name; it is made when it is first asked for."""
        if name not in self._shards:
            self._shards[name] = Shard(self._folder / f"{name}.log")
        return self._shards[name]

    async def end(self) -> None:
        """End all of them."""
        for shard in self._shards.values():
            await shard.end()


class VirtualSupervisor(Supervisor):
    """The same as in real time, without waves: nothing is disturbed by what runs beside it."""

    kind = VirtualCell

    def __init__(
        self,
        plan: RunPlan,
        folder: Path,
        *,
        jobs: int,
        reporter: Reporter,
        stop_at_refusal: bool = False,
        verify: Verify = None,
        shards: Shards | None = None,
    ) -> None:
        """With `stop_at_refusal` the first cell that needs real time ends the run: `refused` is that cell.

        `verify`: play every cell twice and hold both against each other. `own`: every cell of a user's own code, since
        all others are known to be the same again. None: of each such client the first cell alone.

        `shards` are left as they are when the run is over; without them it has its own.
        """
        folder = folder.absolute()
        super().__init__(plan, folder, jobs=jobs, reporter=reporter)
        self.refused: VirtualCell | None = None
        self._folder = folder
        self._kept = shards
        self._stop_at_refusal = stop_at_refusal
        cells = cast("Sequence[VirtualCell]", self.cells)
        self._verified = set(_verified(cells, verify))
        # Code of one's own goes first, where a refusal ends the run: it is what may need real time.
        order = (
            sorted(cells, key=lambda cell: cell.plays_own_code, reverse=True) if stop_at_refusal else cells
        )
        self._waiting = deque(order)

    async def play(self) -> None:
        """Play every cell. A cell that fails is marked so, and the others go on."""
        with self._interruptible():
            shown = asyncio.create_task(self._show(self.cells))
            workers = [
                asyncio.create_task(self._work(number)) for number in range(min(self._jobs, len(self.cells)))
            ]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
                for cell in self._waiting:
                    cell.fail("interrupted", "stopped before it began")
                shown.cancel()
                self._reporter.show(self.cells)

    def _say_failed(self, cell: Cell) -> None:
        """A refusal that ends the run is said by who plays the run in real time instead."""
        if not (self._stop_at_refusal and cast("VirtualCell", cell).refusal):
            super()._say_failed(cell)

    async def _work(self, number: int) -> None:
        """Take cells until there are none, or somebody asks to stop."""
        names = f"shard-{number}", f"verifier-{number}"
        own = []
        if self._kept is None:
            shard, verifier = own = [Shard(self._folder / f"{name}.log") for name in names]
        else:
            shard, verifier = map(self._kept.named, names)
        try:
            while self._waiting and not self._stop.is_set():
                await self._play_cell(self._waiting.popleft(), shard, verifier)
        finally:
            for one in own:
                await one.end()

    async def _play_cell(self, cell: VirtualCell, shard: Shard, verifier: Shard) -> None:
        cell.shard = shard
        if cell in self._verified:
            cell.verifier = verifier
        cell.prepare()
        try:
            await cell.begin(0.0)
            await self._each([cell], lambda cell: cell.watch())
        finally:
            if cell.state == "running":
                cell.fail("interrupted", "stopped by the user")
            await cell.close()
        if self._stop_at_refusal and self.refused is None and cell.state == "failed" and cell.refusal:
            self.refused = cell
            self._stop.set()


def _verified(cells: Sequence[VirtualCell], verify: Verify) -> Sequence[VirtualCell]:
    """The cells that are played twice."""
    if verify is True:
        return cells
    if verify is False:
        return ()
    own = [cell for cell in cells if cell.plays_own_code]
    if verify == "own":
        return own
    firsts: dict[str, VirtualCell] = {}
    for cell in own:
        firsts.setdefault(cell.plan.client, cell)
    return list(firsts.values())
