"""Stock Locust against a user's own service, for hours: each call of the soak at its intended time.

`windtunnel soak --attach` runs it in the folder of a cell with `users.json` (what to call, from when on). It writes
segments of the table `calls` there, in blocks, so that old ones can be deleted while it runs. One that is killed is
replaced by another, which goes on with the same schedule.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent

from windtunnel.harness.contract.records import CALLS_SCHEMA, CallRow, call_tuple
from windtunnel.harness.inputs.load import Load
from windtunnel.harness.load.retention import BLOCK_S
from windtunnel.harness.soak.due import due_from
from windtunnel.mock_server.journal.segments import SegmentWriter, segment_path
from windtunnel.mock_server.server.end_with_parent import die_with_parent
from windtunnel.scenarios.service_user import Record, ServiceCalled, ServiceUser

die_with_parent()
FLUSH_S = 1.0
"""Seconds: what a killed process may lose of its records."""


class SoakUsers(ServiceUser):
    """All users of the service, to the end of the soak."""

    asked = json.loads(Path("users.json").read_text())

    def due(self) -> Iterable[tuple[int, float]]:
        """The calls of the soak that are due from now on."""
        asked = self.asked
        load = Load.model_validate(asked["load"])
        return due_from(load, asked["cycle_s"], asked["cycles"], asked["seed"], asked["from_s"])

    @contextmanager
    def records(self) -> Iterator[Record]:
        """Write a row of the table `calls` for each call."""
        writer = SegmentWriter(segment_path(Path(), "calls"), CALLS_SCHEMA)
        writing = gevent.spawn(_write_out, writer)
        yield lambda call: writer.add(call_tuple(_row(call, self.asked["client"])))
        writing.kill()
        writer.close()


def _row(call: ServiceCalled, client: str) -> CallRow:
    answered = call.status is not None and call.status < 400
    timed_out = isinstance(call.wrong, TimeoutError) or "timeout" in type(call.wrong).__name__.lower()
    return CallRow(
        call_id=f"c{call.number}",
        client=client,
        instance=0,
        worker=0,
        region="",  # its answer is not compared with the provider's truth: it is the service's own
        model="",
        api="service",
        stream=False,
        phase=None,
        warmup=False,
        intended_s=call.intended_s,
        started_s=call.started_s,
        ended_s=call.ended_s,
        outcome="ok" if answered else "timeout" if timed_out else "error",
        error_type=None if call.wrong is None else type(call.wrong).__name__,
        status=call.status,
        attempts_seen=1,
    )


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
