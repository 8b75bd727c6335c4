"""The processes that a calibration measures, and what they cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from windtunnel.harness.calibrate.pinned import pinned
from windtunnel.harness.contract.files import write_json
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.run.children import Child, python, start_mock

START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class MeasuredServer:
    """A server under measurement: what it announced, and the process."""

    base_url: str
    announced: dict[str, Any]
    process: psutil.Process

    @property
    def port(self) -> int:
        return int(self.base_url.split(":")[2].split("/")[0])

    def cpu_s(self) -> float:
        """CPU seconds used so far, user and system."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rss_mb(self) -> float:
        """Resident memory, MiB."""
        return float(self.process.memory_info().rss) / 2**20


@asynccontextmanager
async def server(
    name: str, arguments: Sequence[str], folder: Path, cores: Sequence[int] = ()
) -> AsyncIterator[MeasuredServer]:
    """Run `python -m …` as a server that announces itself with one JSON line; ended on leaving.

    It stays on `cores`, if there are any.
    """
    command = [*_pinning(cores), *python("-m", *arguments)]
    child = await Child.spawn(name, command, log=folder / f"{name}.log", cwd=folder, capture_stdout=True)
    async with _announced(child) as running:
        yield running


@asynccontextmanager
async def mock(
    plan: dict[str, Any],
    folder: Path,
    name: str = "mock",
    *,
    journal: bool = True,
    cores: Sequence[int] = (),
) -> AsyncIterator[MeasuredServer]:
    """The mock with `plan`, its journal in `folder/NAME`, or in memory alone without `journal`."""
    write_json(folder / f"{name}-plan.json", plan)
    if journal:
        (folder / name).mkdir(exist_ok=True)
    child = await start_mock(
        folder, f"{name}-plan.json", name=name, journal=name if journal else None, prefix=_pinning(cores)
    )
    async with _announced(child) as running:
        yield running


@asynccontextmanager
async def _announced(child: Child) -> AsyncIterator[MeasuredServer]:
    """The server that `child` is, once it is ready; ended on leaving."""
    try:
        try:
            announced = await child.announcement(START_TIMEOUT_S)
        except MeasurementError as error:
            raise MeasurementError(f"calibrate: {error}") from error
        yield MeasuredServer(announced["base_url"], announced, psutil.Process(child.process.pid))
    finally:
        await child.end()


def _pinning(cores: Sequence[int]) -> list[str]:
    """The start of a command that stays on `cores`; empty without any, as pinning costs a process start."""
    return pinned(cores, ()) if cores else []


async def measured(
    module: str, *arguments: str, folder: Path, timeout_s: float = 300.0, cores: Sequence[int] = ()
) -> dict[str, Any]:
    """Run `python -m module arguments`, on `cores` if there are any, and return the JSON line that it prints."""
    name = module.rsplit(".", 1)[-1]
    command = [*_pinning(cores), *python("-m", module, *arguments)]
    child = await Child.spawn(name, command, log=folder / f"{name}.log", cwd=folder, capture_stdout=True)
    try:
        line = await child.first_line(timeout_s)
        await asyncio.wait_for(child.process.wait(), 10)
    finally:
        await child.end()
    if not line:
        raise MeasurementError(f"calibrate: {module} measured nothing ({child.how_it_ended()})")
    result: dict[str, Any] = json.loads(line)
    return result
