"""A cell that is played on the virtual clock: one process that has mock and load on one loop."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from pathlib import Path

from windtunnel.harness.contract.files import read_json
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.run.cell import POLL_S, Cell, CellProgress
from windtunnel.harness.run.children import Child, callers_variables, last_line, python
from windtunnel.harness.virtual import guard
from windtunnel.harness.virtual.behaviour import BEHAVIOUR
from windtunnel.harness.virtual.order import Order
from windtunnel.harness.virtual.verify import AGAIN, difference

NO_TIME_AT_ALL_S = 3600.0
"""Real seconds after which a cell is given up; its own watchdog ends one that does not move long before."""

LOG = "virtual.log"


class Shard:
    """A process that plays one cell after the other; it is started by the first one. `log` takes what it says.

    It stays for as long as cells are of one interpreter; the next one has a process of its own.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._interpreter: str | None = None
        self._child: Child | None = None

    async def play(self, order: Order, interpreter: str | None = None) -> int:
        """Play a cell; gives its exit code, negative for a signal.

        Raises MeasurementError if the shard itself dies.
        """
        if interpreter != self._interpreter:
            await self.end()
            self._interpreter = interpreter
        child = self._child
        if child is None:
            child = self._child = await Child.spawn(
                "shard",
                python("-m", "windtunnel.harness.virtual.shard", interpreter=interpreter),
                log=self._log,
                cwd=self._log.parent,
                capture_stdout=True,
                env={"PYTHONHASHSEED": "0"},
            )
        assert child.process.stdin is not None
        child.process.stdin.write(order.line().encode())
        said = await child.first_line(NO_TIME_AT_ALL_S)
        if not said:
            await self.end()
            raise MeasurementError(f"the process that plays cells stopped ({child.how_it_ended()})")
        return int(json.loads(said)["code"])

    async def end(self) -> None:
        """End the process and the cell that it plays. The next cell starts another one."""
        child, self._child = self._child, None
        if child is not None:
            await child.end()
            if self._log.stat().st_size == 0:
                self._log.unlink()


class VirtualCell(Cell):
    """The same life as a cell in real time; it needs no start in common with others. `shard` is who plays it.

    With a `verifier` it is played twice, the second time by that one: in another process, at another time.
    """

    shard: Shard
    verifier: Shard | None = None

    @property
    def refusal(self) -> str:
        """What was tried that cannot be played on this clock, and where; empty if nothing was."""
        last = last_line(self.folder / LOG)
        return last.removeprefix("stuck: ") if guard.REFUSED in last else ""

    async def start(self) -> None:
        """Nothing has to be ready: the cell's process does everything when it is watched."""

    async def begin(self, t0: float) -> None:
        """Virtual time has a zero of its own."""
        self.t0 = 0.0
        self.state = "running"
        self._write_status()

    async def watch(self) -> None:
        """Play the cell and return when it is over.

        Raises MeasurementError if it gets stuck, fails, or is not the same the second time.
        """
        await self._watched(self.shard, observed=self.verifier is not None)
        if self.verifier is not None:
            (self.folder / AGAIN).mkdir()
            await self._watched(self.verifier, observed=True, records=AGAIN)
            if told := await asyncio.to_thread(difference, self.folder):
                raise MeasurementError(told)
            shutil.rmtree(self.folder / AGAIN)
            (self.folder / BEHAVIOUR).unlink()
        self.state = "finished"

    async def _watched(self, shard: Shard, *, observed: bool, records: str = ".") -> None:
        """Let `shard` play the cell, and tell meanwhile how far it is."""
        order = Order(
            str(self.folder),
            observed=observed,
            own_code=self.plays_own_code,
            records=records,
            environment=callers_variables() if self.plays_own_code else {},
        )
        playing = asyncio.create_task(shard.play(order, self.plan.profile.python))
        try:
            while not playing.done():
                await asyncio.wait({playing}, timeout=POLL_S)
                self._read_progress()
            code = playing.result()
        finally:
            if not playing.done():
                playing.cancel()
                await shard.end()
        if code != 0:
            log = self.folder / records / LOG
            self._raise_if_unusable(log)
            raise MeasurementError(f"the virtual clock stopped ({_ending(code, log)})")

    def _read_progress(self) -> None:
        done = read_json(self.folder / "progress-0.json")
        at_s = float(done.get("heartbeat_s", 0.0))
        self.progress = CellProgress(
            at_s=at_s,
            phase=self._phase_at(at_s),
            intended=int(done.get("intended", 0)),
            ended=int(done.get("ended", 0)),
            ok=int(done.get("ok", 0)),
            attempts=int(done.get("attempts", 0)),
            heartbeats={"progress-0": at_s} if done else {},
        )


def _ending(code: int, log: Path) -> str:
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    last = last_line(log)
    return f"{how}; its last words: {last}; see {log}" if last else f"{how}; see {log}"
