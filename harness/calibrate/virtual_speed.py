"""How fast the virtual clock is: calls and streams per second of one core, and virtual seconds per second."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from windtunnel.harness.calibrate.commands import windtunnel
from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.processes import measured
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import CellPlan, resolve
from windtunnel.harness.virtual.virtual_cell import VirtualCell
from windtunnel.mock_server.journal.segments import read_batches

CLIENT = "openai-async-default"
RATE = 20
STORM_AIM_S = 15.0
STORM_CORES = 4
SOAK_AIM_S = 360.0
SOAK_AIM_MB = 200.0
SOAK_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class TimedLoad:
    """A load that is timed: what it is, whether it is streamed, calls, and the aim in calls/s."""

    name: str
    stream: bool
    calls: int
    aim: float


TIMED_LOADS = (
    TimedLoad("calls, not streamed", False, 4000, 400.0),
    TimedLoad("streams of 60 chunks", True, 1200, 60.0),
)
ANSWER: Mapping[str, Any] = {
    "first_token": {"median": "250ms", "p99": "900ms"},
    "tokens": 60,
    "tokens_per_second": 80,
    "tokens_per_chunk": 1,
}


async def measure(folder: Path, on_progress: Callable[[str], None]) -> list[Finding]:
    """Calls/s of a core for every load, with the time that passes meanwhile, and the whole of `retry_storm`."""
    findings = []
    for load in TIMED_LOADS:
        on_progress(f"virtual: {load.calls} {load.name}")
        findings += await speed(load, folder)
    on_progress("virtual: retry_storm with its four clients")
    return [*findings, await storm(folder)]


async def speed(load: TimedLoad, folder: Path) -> list[Finding]:
    """One healthy cell, records included."""
    plan = resolve(scenario_of(load), [load_profile(CLIENT)], clock="virtual").cells[0]
    place = make_cell(plan, folder / f"virtual-{'streams' if load.stream else 'calls'}")
    cost = await measured("windtunnel.harness.calibrate.virtual_cell", str(place), folder=place)
    calls = _rows(place, "calls-0")
    virtual_s = plan.warmup_s + plan.length_s + plan.tail_s
    note = (
        f"{calls} of them with the driver {plan.profile.driver} at {RATE}/s, through SDK, mock, records and digests, "
        f"in {cost['cpu_s']:.1f} s of CPU ({cost['real_s']:.1f} s passed); start-up left out"
    )
    return [
        Finding(
            f"virtual clock, {load.name}",
            "1/s of CPU",
            calls / cost["cpu_s"],
            None,
            load.aim,
            note,
            "at least",
        ),
        Finding(
            f"virtual clock, {load.name} at {RATE}/s",
            "virtual s/s",
            virtual_s / cost["cpu_s"],
            None,
            None,
            "virtual seconds that pass in a second of CPU at that load",
        ),
    ]


def scenario_of(load: TimedLoad) -> Scenario:
    """A healthy provider under this load."""
    return Scenario.model_validate(
        {
            "name": "calibrate-virtual",
            "about": "A healthy provider.",
            "seed": 1,
            "warmup": "2s",
            "provider": {"capacity": {"slots": 1000, "queue": 1000}, "answer": ANSWER},
            "load": {"api": "chat", "stream": load.stream, "rate": f"{RATE}/s", "deadline": "10s"},
            "phases": [{"name": "healthy", "for": f"{load.calls / RATE:g}s"}],
            "clients": [CLIENT],
        }
    )


def make_cell(plan: CellPlan, folder: Path) -> Path:
    """A cell's directory with its plan in it, as a run has it."""
    cell = VirtualCell(plan, folder, processes=1)
    cell.prepare()
    return cell.folder


def _rows(folder: Path, segment: str) -> int:
    files = folder.glob(f"{segment}-*.arrows")
    return sum(batch.num_rows for file in files for batch in read_batches(file))


async def storm(folder: Path) -> Finding:
    """`retry_storm` against its four clients, as anybody runs it: from the command to the finished report."""
    place = folder / "virtual-storm"
    begin = time.monotonic()
    await windtunnel("run", "retry_storm", "--clock", "virtual", "--out", str(place), folder=folder)
    took = time.monotonic() - begin
    played = max(file.stat().st_mtime for file in place.glob("cells/*/calls.parquet"))
    records = played - (place / "plan.json").stat().st_mtime
    cores = os.cpu_count() or 1
    note = f"the whole command on {cores} cores, start and report included; its records took {records:.1f} s"
    aim = STORM_AIM_S if cores >= STORM_CORES else None
    return Finding("virtual clock, retry_storm with its four clients", "s", took, None, aim, note)


async def measure_soak(folder: Path, on_progress: Callable[[str], None]) -> list[Finding]:
    """The gallery's day: how long it takes, and how much memory."""
    plan = resolve(load_scenario("soak_24h"), [load_profile(CLIENT)], clock="virtual").cells[0]
    on_progress(f"virtual: {plan.length_s / 3600:g} h of {plan.scenario}")
    place = make_cell(plan, folder / "virtual-soak")
    cost = await measured(
        "windtunnel.harness.calibrate.virtual_cell", str(place), folder=place, timeout_s=SOAK_TIMEOUT_S
    )
    note = (
        f"{_rows(place, 'calls-0')} calls of {plan.client}, {cost['real_s']:.0f} s passed; "
        f"{plan.length_s / cost['cpu_s']:.0f} virtual seconds per second of CPU"
    )
    return [
        Finding("virtual clock, soak_24h", "s of CPU", cost["cpu_s"], None, SOAK_AIM_S, note),
        Finding(
            "virtual clock, soak_24h", "MiB", cost["peak_mb"], None, SOAK_AIM_MB, "largest resident size"
        ),
    ]
