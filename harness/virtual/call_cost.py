"""`python -m windtunnel.harness.virtual.call_cost PLAN_JSON`: plays the first calls of each client without waiting, so
that somebody can time it.

    {"ready": true} ─► {"client": …, "calls": 40} ─► {"client": …, "calls": 40} ─► …     lines on stdout

The records of the pieces stay in the directory in which this is started.

A piece takes as long as its computing takes. It is timed by who reads the lines: this process is on the virtual clock.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from windtunnel.harness.virtual.order import Order
from windtunnel.harness.virtual.prepared import Prepared, prepare
from windtunnel.harness.virtual.shard import forked
from windtunnel.mock_server.server.end_with_parent import die_with_parent

if TYPE_CHECKING:
    from windtunnel.harness.plan import CellPlan

CALLS = 40
"""About how many calls a piece has: enough for the start of a cell, some 0.1 s, to count for little."""


def main(plan_file: Path) -> None:
    """Play a piece of every client. One whose code does not play here has no calls."""
    die_with_parent()
    prepared = prepare()
    from windtunnel.harness.plan import RunPlan

    plan = RunPlan.read_json(plan_file)
    cells = {cell.client: cell for cell in reversed(plan.cells)}
    print(json.dumps({"ready": True}), flush=True)
    for number, cell in enumerate(reversed(cells.values())):
        calls = _play(prepared, cell, Path(str(number)).absolute())
        print(json.dumps({"client": cell.client, "calls": calls}), flush=True)


def _play(prepared: Prepared, cell: CellPlan, place: Path) -> int | None:
    """Play the beginning; gives how many calls it had, None if it failed."""
    from windtunnel.harness.plan import PhaseSpan

    rate = max(len(cell.schedule()) / (cell.warmup_s + cell.length_s + cell.tail_s), 1e-6)
    piece = cell.model_copy(
        update={
            "phases": (PhaseSpan(cell.phases[0].name, 0.0, CALLS / rate),),
            "faulty": (),
            "warmup_s": 0.0,
            "tail_s": 0.0,
        }
    )
    place.mkdir()
    piece.write_json(place / "cell.json")
    return len(piece.schedule()) if forked(prepared, Order(str(place))) == 0 else None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
