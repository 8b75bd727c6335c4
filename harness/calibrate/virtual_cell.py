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
    """Play the cell in `folder`. The process is on the virtual clock afterwards: these clocks are the system's."""
    prepared = prepare()
    cpu, real = time.process_time(), time.clock_gettime(time.CLOCK_MONOTONIC)
    play(prepared, folder)
    return {
        "cpu_s": time.process_time() - cpu,
        "real_s": time.clock_gettime(time.CLOCK_MONOTONIC) - real,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    die_with_parent()
    print(json.dumps(cost_of(Path(sys.argv[1]))), flush=True)
    os._exit(0)
