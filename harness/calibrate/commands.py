"""Commands of windtunnel, run as anybody runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.run.children import Child, last_line, python

TIMEOUT_S = 3600.0
FINE = (0, 3)
"""Exit codes with which a report was written; 3 says that its records are not valid."""


async def windtunnel(*arguments: str, folder: Path, timeout_s: float = TIMEOUT_S) -> None:
    """Run `windtunnel arguments` in `folder`. Raises MeasurementError unless it wrote what it was to write."""
    log = folder / "windtunnel.log"
    command = python("-c", "from windtunnel.harness.cli.main import main; main()", *arguments)
    child = await Child.spawn("windtunnel", command, log=log, cwd=folder)
    try:
        code = await child.wait(timeout_s)
    finally:
        await child.end()
    if code not in FINE:
        how = f"exit code {code}" if code is not None else f"not over after {timeout_s:.0f} s"
        raise MeasurementError(
            f"calibrate: windtunnel {' '.join(arguments)} failed ({how}): {last_line(log)}"
        )


async def played(*arguments: str, folder: Path, out: Path) -> dict[str, Any]:
    """Run `windtunnel run arguments` into `out`, and return its metrics."""
    await windtunnel("run", *arguments, "--out", str(out), folder=folder)
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return metrics
