"""The supervisor: waves of cells that start together, failures that stay with their cell, and a good order at the end.

The cells here have no processes: they note what the supervisor asks of them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.plan import resolve
from windtunnel.harness.run.cell import Cell
from windtunnel.harness.run.supervisor import LEAD_S, Supervisor

STORM = load_scenario("retry_storm")
CLIENT = load_profile("openai-default")
Script = Callable[["NotedCell", str], Awaitable[None]]


class NotedCell(Cell):
    """A cell that notes each step that it is asked for, and then does what the test wants there."""

    steps: list[tuple[str, int]]
    script: Script

    async def _step(self, name: str) -> None:
        self.steps.append((name, self.plan.repeat))
        await type(self).script(self, name)

    def prepare(self) -> None:
        self.steps.append(("prepare", self.plan.repeat))

    async def start(self) -> None:
        await self._step("start")
        self.steps.append(("ready", self.plan.repeat))

    async def begin(self, t0: float) -> None:
        self.t0 = t0
        await self._step("begin")
        self.state = "running"

    async def watch(self) -> None:
        await self._step("watch")
        self.state = "finished"

    async def close(self) -> None:
        self.steps.append(("close", self.plan.repeat))


class Notes:
    """A reporter that keeps what is said and the states that it was last shown."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.last: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, cells: Sequence[Cell]) -> None:
        self.last = [cell.state for cell in cells]

    def say(self, message: str) -> None:
        self.said.append(message)


async def nothing(cell: NotedCell, step: str) -> None:
    return None


def supervisor(
    tmp_path: Path, *, cells: int, jobs: int, script: Script = nothing
) -> tuple[Supervisor, list[tuple[str, int]], Notes]:
    """A supervisor of so many cells (one client, a repeat each), the steps that it will take, and its reporter."""
    steps: list[tuple[str, int]] = []
    notes = Notes()
    kind = type("OneTestsCell", (NotedCell,), {"steps": steps, "script": staticmethod(script)})
    with_kind = type("OneTestsSupervisor", (Supervisor,), {"kind": kind})
    plan = resolve(STORM, [CLIENT], repeats=cells, clock="real")
    return with_kind(plan, tmp_path, jobs=jobs, reporter=notes), steps, notes


def states(played: Supervisor) -> list[str]:
    return [cell.state for cell in played.cells]


async def test_cells_are_played_in_waves_in_their_order(tmp_path: Path) -> None:
    """With two jobs, cells 0 and 1 are over before anything of cell 2 is begun; the last wave may be smaller."""
    played, steps, notes = supervisor(tmp_path, cells=3, jobs=2)
    await played.play()
    assert states(played) == ["finished"] * 3
    wave = [0 if repeat < 2 else 1 for _, repeat in steps]
    assert wave == sorted(wave)
    assert notes.last == ["finished"] * 3  # how far all cells are, not only those of the last wave
    assert not played.interrupted


async def test_a_wave_begins_when_all_of_it_is_ready(tmp_path: Path) -> None:
    """No cell of a wave begins before the slowest one is ready, and all have one t0, after the longest warm-up."""

    async def slow_second(cell: NotedCell, step: str) -> None:
        if (step, cell.plan.repeat) == ("start", 1):
            while ("ready", 0) not in cell.steps or ("ready", 2) not in cell.steps:
                await turn()

    played, steps, _ = supervisor(tmp_path, cells=3, jobs=3, script=slow_second)
    before = time.monotonic()
    await played.play()
    order = [name for name, _ in steps]
    assert order.index("begin") > max(i for i, name in enumerate(order) if name == "ready")
    assert order.index("watch") > max(i for i, name in enumerate(order) if name == "begin")
    (t0,) = {cell.t0 for cell in played.cells}
    assert t0 is not None
    assert before + LEAD_S + 5.0 <= t0 <= time.monotonic() + LEAD_S + 5.0


async def turn() -> None:
    """Give every other task of the loop its turn."""

    await asyncio.sleep(0)


@pytest.mark.parametrize("step", ["start", "begin", "watch"])
@pytest.mark.parametrize("error", [MeasurementError("the mock died"), OSError("no space left")])
async def test_a_cell_that_fails_leaves_the_others_alone(tmp_path: Path, step: str, error: Exception) -> None:
    """A failed cell is said with its name, goes no further and is closed; the others are played to their end."""

    async def fail(cell: NotedCell, at: str) -> None:
        if (at, cell.plan.repeat) == (step, 1):
            raise error

    played, steps, notes = supervisor(tmp_path, cells=3, jobs=2, script=fail)
    await played.play()
    assert states(played) == ["finished", "failed", "finished"]
    assert played.cells[1].reason == str(error)
    assert notes.said == [f"openai-default-1: {error}"]
    later = {"start": ("begin", "watch"), "begin": ("watch",), "watch": ()}[step]
    assert [name for name, repeat in steps if repeat == 1 and name in later] == []
    assert [repeat for name, repeat in steps if name == "close"] == [0, 1, 2]


async def test_nothing_begins_when_no_cell_is_ready(tmp_path: Path) -> None:
    """A wave of which every cell failed to start is closed without a begin."""

    async def fail(cell: NotedCell, at: str) -> None:
        raise MeasurementError("the mock did not start")

    played, steps, _ = supervisor(tmp_path, cells=2, jobs=2, script=fail)
    await played.play()
    assert states(played) == ["failed", "failed"]
    assert [name for name, _ in steps] == ["prepare", "prepare", "start", "start", "close", "close"]


async def test_a_mistake_of_the_program_ends_the_run_with_its_cells_closed(tmp_path: Path) -> None:
    """An error that is not about the measurement is raised, after every cell of the wave was closed."""

    async def fail(cell: NotedCell, at: str) -> None:
        if (at, cell.plan.repeat) == ("watch", 0):
            raise ZeroDivisionError

    played, steps, _ = supervisor(tmp_path, cells=2, jobs=2, script=fail)
    with pytest.raises(ZeroDivisionError):
        await played.play()
    assert [name for name, _ in steps][-2:] == ["close", "close"]
    assert played.cells[0].state == "interrupted"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("step", ["start", "watch"])
async def test_one_signal_stops_in_good_order(tmp_path: Path, number: signal.Signals, step: str) -> None:
    """What runs is stopped and closed, what has not begun is marked so, and the signals are the program's own again."""
    forever = ForeverOnce(number, step)
    played, steps, notes = supervisor(tmp_path, cells=3, jobs=2, script=forever)
    await played.play()
    assert played.interrupted
    assert states(played) == ["interrupted"] * 3
    assert [cell.reason for cell in played.cells] == [
        "stopped by the user",
        "stopped by the user",
        "stopped before it began",
    ]
    assert [repeat for name, repeat in steps if name == "close"] == [0, 1]
    assert not any(repeat == 2 for _, repeat in steps)
    assert [line.split(":")[0] for line in notes.said] == ["Stopping"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


class ForeverOnce:
    """A script whose cells never end one step; the first to come there sends this process a signal."""

    def __init__(self, number: signal.Signals, step: str) -> None:
        self.number, self.step, self.sent = number, step, False

    async def __call__(self, cell: NotedCell, at: str) -> None:

        if at != self.step:
            return
        if not self.sent:
            self.sent = True
            os.kill(os.getpid(), self.number)
        await asyncio.Event().wait()


def test_a_second_signal_quits_at_once(tmp_path: Path) -> None:
    """A second Ctrl-C ends the process with 130, even while a cell is being closed and never gets there."""
    program = f"""
import asyncio, os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pathlib import Path
from tests.harness.run.test_supervisor import NotedCell, supervisor

async def script(cell, step):
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.Event().wait()

async def close(cell):
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.Event().wait()

NotedCell.close = close
played, _, _ = supervisor(Path({str(tmp_path)!r}), cells=1, jobs=1, script=script)
asyncio.run(played.play())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130, done.stderr
