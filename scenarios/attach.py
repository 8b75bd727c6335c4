"""Stock Locust against a user's own service: each call at its intended time, whatever became of those before it.

`windtunnel probe --attach` runs it in a folder with `attach.json` (what to call, and when), and reads the rows that it
writes there. Waits count from the intended time: who waits in a queue of ours waits, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from windtunnel.mock_server.server.end_with_parent import die_with_parent
from windtunnel.scenarios.service_user import Record, ServiceCalled, ServiceUser

die_with_parent()


class ServiceUsers(ServiceUser):
    """All users of the service, for the length of a scenario."""

    asked = json.loads(Path("attach.json").read_text())

    def due(self) -> Iterable[tuple[int, float]]:
        """The calls of the list in `attach.json`."""
        return enumerate(self.asked["due_s"])

    @contextmanager
    def records(self) -> Iterator[Record]:
        """Write a line of JSON for each call."""
        with Path(self.asked["rows"]).open("w", buffering=1) as rows:

            def record(call: ServiceCalled) -> None:
                row = {
                    "n": call.number,
                    "intended_s": call.intended_s,
                    "started_s": call.started_s,
                    "ended_s": call.ended_s,
                    "status": call.status,
                }
                rows.write(json.dumps(row) + "\n")

            yield record
