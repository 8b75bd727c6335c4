"""Plays one process's share of a cell, patched as Locust patches: `load_process.py CELL NUMBER PROCESSES BASE_URL`."""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402  # nothing may be imported before the patches
from pathlib import Path  # noqa: E402  # after the patches

from windtunnel.harness.load.worker import Worker  # noqa: E402  # after the patches
from windtunnel.harness.plan import CellPlan  # noqa: E402  # after the patches
from windtunnel.mock_server.server.end_with_parent import die_with_parent  # noqa: E402  # after the patches

if __name__ == "__main__":
    die_with_parent()
    cell = Path(sys.argv[1])
    plan = CellPlan.read_json(cell)
    worker = Worker(plan, cell.parent, int(sys.argv[2]), int(sys.argv[3]), {plan.region: sys.argv[4]})
    worker.play(lambda row, error: None, lambda row: None)
