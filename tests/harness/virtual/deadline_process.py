"""A process on the virtual clock that makes one call at a time against a provider that never answers.

stdin: {"profile": …, "wait": seconds, "blackhole": bool} a line ─► stdout: [asked at, ended at, outcome] a line
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from windtunnel.harness.virtual.prepared import Prepared, prepare

SCENARIO: dict[str, Any] = {
    "name": "silent",
    "about": "No request is ever answered.",
    "seed": 1,
    "load": {"api": "chat", "arrivals": "constant", "rate": "1/s", "deadline": "10s"},
    "warmup": "0s",
    "phases": [{"name": "silent", "for": "1h", "rules": [{"fault": "hang"}]}],
    "clients": ["openai-default"],
}
BODY = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hello"}]}


async def serve(prepared: Prepared) -> None:
    """Play what is asked for until stdin ends."""
    import asyncio

    from windtunnel.harness.clients import DRIVERS
    from windtunnel.harness.clients.base import CallSpec, Observer, Setting
    from windtunnel.harness.inputs.profile import Profile
    from windtunnel.harness.inputs.scenario import Scenario
    from windtunnel.harness.plan import resolve
    from windtunnel.harness.virtual.cell_process import listen
    from windtunnel.mock_server.journal.journal import Journal
    from windtunnel.mock_server.plan.plan import Plan
    from windtunnel.mock_server.server.server import Server

    class Rows(Observer):
        """Keeps the row of the call that ended last."""

        last: Any = None

        def call_ended(self, row: Any, error: BaseException | None) -> None:
            self.last = row

    loop, rows = prepared.loop, Rows()
    first = json.loads(sys.stdin.readline())
    plan = resolve(
        Scenario.model_validate(SCENARIO), [Profile.model_validate(first["profile"])], clock="virtual"
    )
    server_plan = Plan.model_validate(plan.cells[0].server_plan)
    mock = Server(server_plan, journal=Journal(Path(sys.argv[1])), loop=loop, clock=loop.time)
    urls = await listen(loop, mock, server_plan)
    mock.reset(loop.time())
    loop.network.listen(asyncio.Protocol, "127.0.0.1", 9).mode = "blackholed"
    print("ready", flush=True)
    for number, line in enumerate(sys.stdin):
        asked = json.loads(line)
        profile = Profile.model_validate(asked["profile"])
        url = "http://127.0.0.1:9/v1" if asked["blackhole"] else urls[plan.cells[0].region]
        setting = Setting(
            profile=profile,
            client="tested",
            instance=0,
            worker=0,
            region=plan.cells[0].region,
            model="gpt-4.1-mini",
            base_url=url,
            seed=1,
            observer=rows,
            waiting=prepared.blocking,
        )
        await asyncio.sleep(asked["wait"])
        instance: Any = DRIVERS[profile.driver].build(setting)
        began = loop.time()
        await instance.call(
            CallSpec(call_id=f"c{number}", api="chat", stream=False, body=BODY, intended_s=began)
        )
        print(json.dumps([began, loop.time(), rows.last.outcome, rows.last.error_type]), flush=True)
        await instance.close()


if __name__ == "__main__":
    on_clock = prepare()
    on_clock.loop.run_until_complete(serve(on_clock))
