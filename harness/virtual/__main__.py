"""`python -m windtunnel.harness.virtual CELL_DIR`: play one cell on the virtual clock, in this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from windtunnel.harness.virtual.prepared import play, prepare

if __name__ == "__main__":
    play(prepare(), Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)
