"""What a report costs: one over a run with planted records, made by a process of its own."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from windtunnel.harness.calibrate.finding import Finding
from windtunnel.harness.calibrate.synthetic_run import write_synthetic_run
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.run.children import python

SERVED: Final = 1_000_000
CODE: Final = (
    "import sys; from pathlib import Path; from windtunnel.reports.build import write_report; "
    "write_report(Path(sys.argv[1]))"
)
COMMAND: Final = python("-c", CODE)


async def measure(folder: Path, on_progress: Callable[[str], None], *, served: int = SERVED) -> list[Finding]:
    """Served records a second, and the peak of resident memory. Raises `MeasurementError` if the report fails."""
    on_progress(f"report: a run of {served:,} served records is written")
    run = await asyncio.to_thread(write_synthetic_run, folder / "synthetic", served)
    on_progress("report: its report is made")
    seconds, cpu_s, peak_mb = await asyncio.to_thread(_cost, run)
    note = f"{served:,} served records of one client, and their calls: {seconds:.1f} s, of which {cpu_s:.1f} s of CPU"
    return [
        Finding("served records a report reads", "1/s", served / seconds, None, None, note),
        Finding("peak memory of that report", "MiB", peak_mb, None, None, note),
    ]


def _cost(run: Path) -> tuple[float, float, float]:
    """Seconds, seconds of CPU, and the peak of resident memory in MiB, as the kernel counts them for the child."""
    began = time.monotonic()
    pid = os.posix_spawn(COMMAND[0], [*COMMAND, str(run)], os.environ)
    _, status, used = os.wait4(pid, 0)
    if status:
        raise MeasurementError(
            f"calibrate: the report of {run} failed (status {os.waitstatus_to_exitcode(status)})"
        )
    return time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
