"""Whether memory stays bounded: how much the resident size grows per 100,000 calls once 50,000 have been made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from windtunnel.harness.calibrate.closed_loop import drive
from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.processes import mock
from windtunnel.harness.calibrate.server_cost import EVERYTHING_ON

AIM_MB = 1.0
SETTLE_CALLS = 50_000
STEP = 25_000
STEPS = 8


async def measure_mock(folder: Path, on_progress: Callable[[str], None]) -> Finding:
    """Growth of the mock's resident memory under distinct call ids, everything on."""
    async with mock(EVERYTHING_ON, folder, "memory") as server:
        on_progress(f"memory: {SETTLE_CALLS:,} calls to settle the mock")
        await drive(server.port, SETTLE_CALLS, prefix="settle")
        sizes = [server.rss_mb()]
        for step in range(STEPS):
            on_progress(f"memory: the mock, {(step + 1) * STEP:,} of {STEPS * STEP:,} calls")
            await drive(server.port, STEP, prefix=f"m{step}-")
            sizes.append(server.rss_mb())
    return growth_finding("mock", sizes, STEP)


def growth_finding(who: str, sizes_mb: list[float], calls_per_step: int) -> Finding:
    """Growth between the first and the last size, per 100,000 calls."""
    calls = calls_per_step * (len(sizes_mb) - 1)
    growth = (sizes_mb[-1] - sizes_mb[0]) / calls * 100_000
    note = f"from {sizes_mb[0]:.1f} to {sizes_mb[-1]:.1f} MiB over {calls:,} calls, after the first {SETTLE_CALLS:,}"
    return Finding(f"memory growth of the {who} per 100,000 calls", "MiB", growth, None, AIM_MB, note)
