"""`python -m windtunnel.harness.replay.rerun CELL_DIR CALL OUT_DIR`: play a cell again up to the end of one call, and
note what happens to that call in `OUT_DIR/timeline.json`, beside the records of everything until then."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from windtunnel.harness.virtual.prepared import Prepared, prepare, temporary_files_of

AFTERMATH_S = 0.01
"""Virtual seconds that are played behind the call's end, in which its last bytes arrive."""


def main(cell: Path, call_id: str, out: Path) -> None:
    """Play the cell in `cell` until the call is over. Exits with 3 if it gets stuck."""
    from windtunnel.harness.plan import CellPlan
    from windtunnel.harness.virtual.watchdog import Watchdog

    prepared = prepare()
    plan = CellPlan.read_json(cell / "cell.json")
    prepared.draws.begin(plan.seed)
    play = _watched(prepared, plan, out, call_id)
    with temporary_files_of(plan, cell):
        Watchdog(prepared.loop, also=play.write_progress).run(play.until_over())
    timeline = {"events": play.timeline(), "over": play.witness.row is not None}
    (out / "timeline.json").write_text(json.dumps(timeline))


def _watched(prepared: Prepared, plan: Any, out: Path, call_id: str) -> Any:
    """The cell, with everything in place that notes. Made here, since what it is made of may only be imported now."""
    from windtunnel.harness.clients.base import Observers
    from windtunnel.harness.replay.hooks import watch_clients
    from windtunnel.harness.replay.observer import WatchedEngine, Witness
    from windtunnel.harness.replay.timeline import as_json
    from windtunnel.harness.virtual.cell_process import VirtualPlay
    from windtunnel.mock_server.journal.journal import Journal
    from windtunnel.mock_server.plan.plan import Plan
    from windtunnel.mock_server.server.server import Server

    loop = prepared.loop

    class WatchedPlay(VirtualPlay):
        def __init__(self) -> None:
            super().__init__(plan, out, loop, prepared.blocking, prepared.draws)
            self.witness = Witness(call_id, self.clock.now)
            over: asyncio.Future[None] = loop.create_future()
            self._over = over
            self.witness.over = lambda: None if over.done() else over.set_result(None)
            self.listener = Observers(self.observer, self.witness)
            self._journal: Journal | None = None
            self._mock: Server | None = None
            self.witness.watch(loop.network)
            watch_clients(self.witness)

        def journal(self) -> Journal:
            self._journal = super().journal()
            return self._journal

        def mock(self, plan: Plan, journal: Journal) -> Server:
            engine = WatchedEngine(plan)
            engine.tell = self.witness.provider_decided
            mock = self._mock = Server(plan, engine=engine, journal=journal, loop=loop, clock=loop.time)
            region = self.plan.region
            self.witness.state = lambda: engine.state(region, self.clock.now())
            mock.on_change.append(self.witness.conditions_changed)
            return mock

        async def until_over(self) -> None:
            playing = loop.create_task(self.play())
            await asyncio.wait({playing, self._over}, return_when=asyncio.FIRST_COMPLETED)
            if playing.done():
                playing.result()
                return
            await asyncio.sleep(AFTERMATH_S)
            self.observer.close()
            if self._journal is not None:
                self._journal.close()
            if self._mock is not None:
                self._mock.connections.remove_certificates()

        def timeline(self) -> list[dict[str, Any]]:
            return [as_json(event) for event in self.witness.events]

    return WatchedPlay()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    sys.stdout.flush()
    os._exit(0)
