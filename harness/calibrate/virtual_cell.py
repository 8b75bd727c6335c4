"""Plays one cell on the virtual clock in this process, as `python -m windtunnel.harness.virtual` does, and says what
it cost.

Run as `python -m windtunnel.harness.calibrate.virtual_cell CELL_DIR`; prints one JSON line: CPU and real seconds of
playing (starting Python and imports left out), and the largest resident size, MiB.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from windtunnel.harness.virtual.prepared import play, prepare
from windtunnel.mock_server.server.end_with_parent import die_with_parent


def cost_of(folder: Path) -> dict[str, float]:
    """Play the cell in `folder`. The process is on the virtual clock afterwards."""
    real_now = time.clock_gettime  # taken before it is replaced: there it tells the virtual time
    prepared = prepare()
    cpu, real = _cpu_s(), real_now(time.CLOCK_MONOTONIC)
    play(prepared, folder)
    return {
        "cpu_s": _cpu_s() - cpu,
        "real_s": real_now(time.CLOCK_MONOTONIC) - real,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _cpu_s() -> float:
    """CPU seconds of this process so far, from a clock that the virtual one leaves alone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    die_with_parent()
    print(json.dumps(cost_of(Path(sys.argv[1]))), flush=True)
    os._exit(0)
