"""Stock Locust against a user's own service: each call at its intended time, whatever became of those before it.

`windtunnel probe --attach` runs it in a folder with `attach.json` (what to call, and when), and reads the rows that it
writes there. Waits count from the intended time: who waits in a queue of ours waits, too.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, task
from locust.exception import StopUser

from windtunnel.harness.probe.users import call_service
from windtunnel.mock_server.server.end_with_parent import die_with_parent

die_with_parent()
ASKED: dict[str, Any] = json.loads(Path("attach.json").read_text())


class ServiceUsers(FastHttpUser):
    """All users of the service in one: it plays the list of intended times, and leaves."""

    host = ASKED["url"].split("?")[0]
    concurrency = 10_000
    connection_timeout = ASKED["timeout_s"]
    network_timeout = ASKED["timeout_s"]

    @task
    def play(self) -> None:
        """Make every call at its time, wait for those under way, and end the run."""
        t0: float = ASKED["t0"]
        with Path(ASKED["rows"]).open("w", buffering=1) as rows:

            def call(number: int, intended_s: float) -> None:
                started_s = time.monotonic() - t0
                status, _ = call_service(self.client, ASKED, number)
                row = {
                    "n": number,
                    "intended_s": intended_s,
                    "started_s": started_s,
                    "ended_s": time.monotonic() - t0,
                    "status": status,
                }
                rows.write(json.dumps(row) + "\n")

            calls = []
            for number, intended_s in enumerate(ASKED["due_s"]):
                left = t0 + intended_s - time.monotonic()
                if left > 0:
                    gevent.sleep(left)
                calls.append(gevent.spawn(call, number, intended_s))
            gevent.joinall(calls)
        self.environment.runner.quit()
        raise StopUser
