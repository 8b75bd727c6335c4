"""What a call costs the harness, beside a bare loop over the same SDK; how late and how slow it is at half its load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import psutil

from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.memory import growth_finding
from windtunnel.harness.calibrate.processes import measured, mock
from windtunnel.harness.inputs.gallery import load_profile
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.plan import resolve
from windtunnel.harness.run.cell import Cell

AIMS = {"openai": 1.25, "openai-async": 1.6}
PROFILES = {"openai": "openai-default", "openai-async": "openai-async-default"}
KINDS = {"openai": "sync", "openai-async": "async"}
ROUNDS = 3
BARE_CALLS = 1500
SECONDS = 10.0
LOAD_FACTOR = 0.5
LATENESS_AIM_S = 0.010
MEMORY_SECONDS = 900.0
PROVIDER: dict[str, Any] = {
    "capacity": {"slots": 1000, "queue": 1000},
    "answer": {"first_token": "5ms", "tokens": 40, "tokens_per_second": 1e7},
}
# One client, one process: the arrivals are even, so that nothing but the harness makes a call late.
LOAD: dict[str, Any] = {"api": "chat", "stream": False, "arrivals": "constant", "deadline": "10s"}


async def measure(folder: Path, on_progress: Callable[[str], None]) -> list[Finding]:
    """CPU per call for both SDK clients, and the punctuality of the harness at half of what one core could do."""
    findings = []
    for driver in AIMS:
        pairs, tables = [], []
        for number in range(ROUNDS):
            on_progress(f"harness: CPU per call with the driver {driver}, round {number + 1} of {ROUNDS}")
            place = folder / f"{driver}-{number}"
            place.mkdir()
            bare = await bare_cost(driver, place)
            rate = LOAD_FACTOR / bare
            cell = await play(driver, rate, SECONDS, place)
            pairs.append((cpu_per_call(cell.folder, cell.length_s), bare))
            tables.append(cell.folder)
        findings.append(cost_finding(driver, pairs))
        findings += punctuality(driver, tables)
    return findings


async def bare_cost(driver: str, folder: Path) -> float:
    """CPU seconds per call of the bare loop, against a mock of its own."""
    async with mock({"name": "bare", "provider": PROVIDER}, folder, "bare-mock") as server:
        result = await measured(
            "windtunnel.harness.calibrate.bare_client",
            KINDS[driver],
            server.base_url,
            str(BARE_CALLS),
            folder=folder,
        )
    return float(result["cpu_s_per_call"])


async def play(driver: str, rate: float, seconds: float, folder: Path) -> Cell:
    """A healthy cell at `rate` calls/s, through the same code as any run. Raises `MeasurementError` if a part dies."""
    cell = make_cell(driver, rate, seconds, folder)
    try:
        await cell.start()
        await cell.begin(time.monotonic() + 1.0 + cell.plan.warmup_s)
        await cell.watch()
    finally:
        await cell.close()
    return cell


def make_cell(driver: str, rate: float, seconds: float, folder: Path) -> Cell:
    """The cell, prepared but not started."""
    scenario = Scenario.model_validate(
        {
            "name": "calibrate",
            "about": "A healthy provider, called evenly.",
            "seed": 1,
            "warmup": "2s",
            "provider": PROVIDER,
            "load": {**LOAD, "rate": f"{rate:.3f}/s"},
            "phases": [{"name": "healthy", "for": f"{seconds}s"}],
            "clients": [PROFILES[driver]],
        }
    )
    plan = resolve(scenario, [load_profile(PROFILES[driver])], clock="real")
    cell = Cell(plan.cells[0], folder / "cell", processes=1)
    cell.prepare()
    return cell


def cpu_per_call(folder: Path, length_s: float) -> float:
    """CPU seconds of the load process between t0 and the last phase's end ÷ calls in between."""
    lags = pd.read_parquet(folder / "lags.parquet", columns=["source", "at_s", "cpu_s"])
    hub = lags[(lags["source"] == "hub") & lags["at_s"].between(0, length_s)]
    calls = pd.read_parquet(folder / "calls.parquet", columns=["ended_s"])
    begin, end = hub["at_s"].min(), hub["at_s"].max()
    ended = calls["ended_s"].between(begin, end).sum()
    return float((hub["cpu_s"].max() - hub["cpu_s"].min()) / ended)


def cost_finding(driver: str, pairs: list[tuple[float, float]]) -> Finding:
    """The pair whose ratio is the median one."""
    middle = median(mine / bare for mine, bare in pairs)
    mine, bare = min(pairs, key=lambda pair: abs(pair[0] / pair[1] - middle))
    ratios = ", ".join(f"{mine / bare:.2f}" for mine, bare in pairs)
    note = f"non-streamed calls at half of what the bare loop could do on one core, {SECONDS:.0f} s; ratios {ratios}"
    return Finding(f"harness CPU per call, {driver}", "ms", mine * 1e3, bare * 1e3, AIMS[driver], note)


def punctuality(driver: str, folders: list[Path]) -> list[Finding]:
    """Lateness of starts and lag of ends over all rounds, p99, in milliseconds."""
    late, lag = [], []
    for folder in folders:
        calls = pd.read_parquet(
            folder / "calls.parquet", columns=["served_id", "intended_s", "started_s", "ended_s"]
        )
        served = pd.read_parquet(folder / "served.parquet", columns=["served_id", "last_byte_s"])
        both = calls[calls["intended_s"] >= 0].merge(served, on="served_id")
        late.append((both["started_s"] - both["intended_s"]).to_numpy())
        lag.append((both["ended_s"] - both["last_byte_s"]).to_numpy())
    note = "at that same load; started − intended, and the client's end − the server's last byte"
    return [
        Finding(
            f"{what} p99, {driver}",
            "ms",
            float(np.percentile(np.concatenate(values), 99)) * 1e3,
            None,
            LATENESS_AIM_S * 1e3,
            note,
        )
        for what, values in (("generator lateness", late), ("receive lag", lag))
    ]


async def measure_memory(folder: Path, on_progress: Callable[[str], None]) -> Finding:
    """Growth of the load process's resident memory over a quarter of an hour of calls."""
    place = folder / "memory-harness"
    place.mkdir()
    rate = LOAD_FACTOR / await bare_cost("openai", place)
    cell = make_cell("openai", rate, MEMORY_SECONDS, place)
    sizes: list[float] = []
    try:
        await cell.start()
        await cell.begin(time.monotonic() + 1.0 + cell.plan.warmup_s)
        watching = asyncio.create_task(cell.watch())
        process = psutil.Process(cell.load_pid)
        while not watching.done():
            await asyncio.wait({watching}, timeout=MEMORY_SECONDS / 30)
            if not watching.done() and cell.progress.phase == "healthy":
                sizes.append(process.memory_info().rss / 2**20)
                on_progress(f"memory: the load process, {cell.progress.ended:,} calls, {sizes[-1]:.0f} MiB")
        await watching
    finally:
        await cell.close()
    per_step = int(rate * MEMORY_SECONDS / 30)
    settled = sizes[min(len(sizes) - 2, 50_000 // per_step) :]
    return growth_finding("load process", settled, per_step)
