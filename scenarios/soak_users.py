"""Stock Locust against a user's own service, for hours: each call of the soak at its intended time.

`windtunnel soak --attach` runs it in the folder of a cell with `users.json` (what to call, from when on). It writes
segments of the table `calls` there, in blocks, so that old ones can be deleted while it runs. One that is killed is
replaced by another, which goes on with the same schedule.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, task
from locust.exception import StopUser

from windtunnel.harness.contract.records import CALLS_SCHEMA, CallRow, call_tuple
from windtunnel.harness.inputs.load import Load
from windtunnel.harness.load.retention import BLOCK_S
from windtunnel.harness.probe.users import call_service
from windtunnel.harness.soak.due import due_from
from windtunnel.mock_server.journal.segments import SegmentWriter, segment_path
from windtunnel.mock_server.server.end_with_parent import die_with_parent

die_with_parent()
ASKED: dict[str, Any] = json.loads(Path("users.json").read_text())
FLUSH_S = 1.0
"""Seconds: what a killed process may lose of its records."""


class SoakUsers(FastHttpUser):
    """All users of the service in one: it plays the soak's calls to their end, and leaves."""

    host = ASKED["url"].split("?")[0]
    concurrency = 10_000
    connection_timeout = ASKED["timeout_s"]
    network_timeout = ASKED["timeout_s"]

    @task
    def play(self) -> None:
        """Make every call at its time, wait for those under way, and end the run."""
        t0: float = ASKED["t0"]
        writer = SegmentWriter(segment_path(Path(), "calls"), CALLS_SCHEMA)
        writing = gevent.spawn(_write_out, writer)
        due = due_from(
            Load.model_validate(ASKED["load"]),
            ASKED["cycle_s"],
            ASKED["cycles"],
            ASKED["seed"],
            ASKED["from_s"],
        )
        under_way: set[gevent.Greenlet] = set()
        for number, intended_s in due:
            left = t0 + intended_s - time.monotonic()
            if left > 0:
                gevent.sleep(left)
            call = gevent.spawn(self._call, writer, number, intended_s)
            under_way.add(call)
            call.link(under_way.discard)
        gevent.joinall(list(under_way))
        writing.kill()
        writer.close()
        self.environment.runner.quit()
        raise StopUser

    def _call(self, writer: SegmentWriter, number: int, intended_s: float) -> None:
        """Make one call, and write its row."""
        t0: float = ASKED["t0"]
        started_s = time.monotonic() - t0
        status, wrong = call_service(self.client, ASKED, number)
        answered = status is not None and status < 400
        timed_out = isinstance(wrong, TimeoutError) or "timeout" in type(wrong).__name__.lower()
        row = CallRow(
            call_id=f"c{number}",
            client=ASKED["client"],
            instance=0,
            worker=0,
            region="",  # its answer is not compared with the provider's truth: it is the service's own
            model="",
            api="service",
            stream=False,
            phase=None,
            warmup=False,
            intended_s=intended_s,
            started_s=started_s,
            ended_s=time.monotonic() - t0,
            outcome="ok" if answered else "timeout" if timed_out else "error",
            error_type=None if wrong is None else type(wrong).__name__,
            status=status,
            attempts_seen=1,
        )
        writer.add(call_tuple(row))


def _write_out(writer: SegmentWriter) -> None:
    """Hand the rows to the operating system every second, and go on in a new segment with every block."""
    begun = time.monotonic()
    while True:
        gevent.sleep(FLUSH_S)
        if time.monotonic() - begun >= BLOCK_S:
            begun = time.monotonic()
            writer.cut()
        else:
            writer.flush()
