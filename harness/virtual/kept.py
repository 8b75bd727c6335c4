"""Records of a soak on the virtual clock that are kept for some virtual hours: older ones become steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

from windtunnel.harness.contract.files import SOAK_KEEPS, read_json
from windtunnel.harness.contract.steps import STEP_S
from windtunnel.harness.load.recorder import Recorder
from windtunnel.harness.load.retention import BLOCK_S, RawRecords
from windtunnel.harness.plan import CellPlan
from windtunnel.harness.virtual.loop import VirtualLoop
from windtunnel.mock_server.server.server import Server

PATIENCE_S: Final = 1800.0
"""Virtual seconds that a call may take before its step is made: SDKs wait ten minutes a try, and try three times."""


class VirtualRetention:
    """Turns old records of a cell into steps while it is played; by timers alone, as who watches the client does."""

    def __init__(
        self,
        loop: VirtualLoop,
        raw: RawRecords,
        now: Callable[[], float],
        recorder: Recorder,
        mock: Server,
    ) -> None:
        self._loop, self._raw, self._now = loop, raw, now
        self._recorder, self._mock = recorder, mock
        self._next_block_s = BLOCK_S
        self._timer = loop.call_later(STEP_S, self._look)

    def close(self) -> None:
        """Delete no more."""
        self._timer.cancel()

    def _look(self) -> None:
        self._timer = self._loop.call_later(STEP_S, self._look)
        now_s = self._now()
        self._raw.saw(now_s, self._mock.client_connections)
        if now_s >= self._next_block_s:
            self._next_block_s = now_s + BLOCK_S
            self._recorder.cut()
            self._mock.new_segments()
            self._raw.block(now_s)


def retention(
    plan: CellPlan, cell: Path, loop: VirtualLoop, now: Callable[[], float], recorder: Recorder, mock: Server
) -> VirtualRetention | None:
    """Who deletes old records of the cell in folder `cell`; None where all are kept, as in any run but a soak."""
    keep_s = read_json(cell.absolute().parent.parent.parent / SOAK_KEEPS).get("keep_raw_s")
    if keep_s is None:
        return None
    deadline = plan.load.deadline or plan.load.objective_wait
    raw = RawRecords(
        cell,
        plan.client,
        keep_s=float(keep_s),
        deadline_s=math.inf if deadline is None else deadline,
        driven=True,
        patience_s=PATIENCE_S,
    )
    return VirtualRetention(loop, raw, now, recorder, mock)
