"""How many cells of a real-time run this machine can play side by side: measured, before the first one starts.

A cell that is late measures itself. What makes it late is another cell's computing at the wrong moment, so all cells
together may take only a part of the machine's cores.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from windtunnel.harness.plan import RunPlan
from windtunnel.harness.run.children import Child, python

MEASURE_S = 3.0
"""Longest time for the measurement."""
REAL_OVER_VIRTUAL = 2.6
"""A call of a whole incident over real sockets, mock and Locust included, costs at most this many times what one of its
healthy beginning costs on the virtual clock. Measured over 16 cells of the gallery: 0.8 to 1.8 times, and 2.6 times for
the client that made eight attempts a call."""
BUSY = 0.29
"""The part of all cores that the cells may take together, by that estimate: lateness comes from moments, not from the
mean. On two cores where a cell took 0.13 to 0.25 of one, two cells at once were late by 4 to 10 ms at the 99th
percentile, as one alone is; four at once were late by 21 to 132 ms."""
MOST_PER_CORE = 2


@dataclass(frozen=True, slots=True)
class AtOnce:
    """How many cells are played side by side, and a line that says why."""

    jobs: int
    why: str


def choose(plan: RunPlan, folder: Path) -> AtOnce:
    """Measure what a call of the clients of the plan in `folder` costs here, and decide."""
    costs = asyncio.run(_costs(folder.absolute() / "plan.json", folder.absolute()))
    return decide(plan, costs, os.cpu_count() or 1)


def decide(plan: RunPlan, costs: Mapping[str, float], cores: int) -> AtOnce:
    """`costs` are seconds for a call on the virtual clock, by client; empty if they could not be measured."""
    if not costs:
        why = f"one cell at a time: what a call costs here could not be measured in {MEASURE_S:.0f} s"
        return AtOnce(1, f"{why} (--jobs overrides)")
    client, call_s = max(costs.items(), key=lambda item: item[1])
    cell = plan.cells[0]
    rate = len(cell.schedule()) / (cell.warmup_s + cell.length_s + cell.tail_s)
    real_s = call_s * REAL_OVER_VIRTUAL
    fit = int(BUSY * cores / max(real_s * rate, 1e-9))
    jobs = max(1, min(fit, MOST_PER_CORE * cores, len(plan.cells)))
    why = (
        f"{jobs} of {len(plan.cells)} cells at once: a call of {client} costs about {1000 * real_s:.0f} ms here, "
        f"at {rate:.3g} calls/s on {cores} cores (--jobs overrides)"
    )
    return AtOnce(jobs, why)


async def _costs(plan_file: Path, folder: Path) -> dict[str, float]:
    """Seconds for a call by client, of as many as could be measured in time."""
    place = folder / "call-cost"
    place.mkdir()
    child = await Child.spawn(
        "measurement",
        python("-m", "windtunnel.harness.virtual.call_cost", str(plan_file)),
        log=place / "log",
        cwd=place,
        capture_stdout=True,
        env={"PYTHONHASHSEED": "0"},
        own_code=True,
    )
    costs: dict[str, float] = {}
    try:
        async with asyncio.timeout(MEASURE_S):
            await _read(child, costs)
    except TimeoutError:
        pass  # what was measured until then is used
    finally:
        await child.end(1.0)
        shutil.rmtree(place)
    return costs


async def _read(child: Child, costs: dict[str, float]) -> None:
    assert child.process.stdout is not None
    at = time.monotonic()
    async for raw in child.process.stdout:
        took, at = time.monotonic() - at, time.monotonic()
        line = json.loads(raw)
        if line.get("calls"):
            costs[line["client"]] = took / line["calls"]
