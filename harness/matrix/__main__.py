"""`python -m windtunnel.harness.matrix`: measure what clients make of each fault and renew `observed.json`.

Takes 10 to 20 seconds, over real sockets. Exits with 1, and the reason on stderr, where the measurement is not valid.
"""

from __future__ import annotations

import sys

from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.matrix import measure
from windtunnel.mock_server.manual.faults import observed

if __name__ == "__main__":
    try:
        measure.save(measure.observe(observed()["faults"]))
    except MeasurementError as error:
        sys.exit(f"python -m windtunnel.harness.matrix: {error}")
    print(measure.FILE)
