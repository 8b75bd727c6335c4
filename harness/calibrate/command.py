"""All calibrations, one after the other, in a folder that is gone afterwards."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.calibrate import harness_cost, memory, server_cost, token_timing
from harness.calibrate.finding import Finding
from harness.plan import versions
from harness.run import raise_open_file_limit


def measure_all(*, long: bool, say: Callable[[str], None]) -> tuple[list[Finding], dict[str, Any]]:
    """Every finding, and what machine it was found on. Takes about five minutes; `long` adds a quarter of an hour.

    Raises `MeasurementError` if a process under measurement dies.
    """
    raise_open_file_limit()
    with TemporaryDirectory(prefix="windtunnel-calibrate-") as folder:
        findings = asyncio.run(_measure(Path(folder), long=long, say=say))
    return findings, {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "machine": platform.machine(),
        **versions(),
    }


async def _measure(folder: Path, *, long: bool, say: Callable[[str], None]) -> list[Finding]:
    findings = [
        *await server_cost.measure(folder, say),
        *await token_timing.measure(folder, say),
        *await harness_cost.measure(folder, say),
    ]
    if long:
        findings.append(await memory.measure_mock(folder, say))
        findings.append(await harness_cost.measure_memory(folder, say))
    return findings
