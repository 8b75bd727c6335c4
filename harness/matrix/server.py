"""A server process for one round of measurements: its regions, and the records that it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from windtunnel.mock_server.errors import WindtunnelServerError
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.journal.segments import read_segments
from windtunnel.mock_server.plan.plan import Plan
from windtunnel.mock_server.server.end_with_parent import PARENT_PID

OPEN = "open"
"""The region in which a fault is what a request asks for."""

_LOG = "server.log"
_GOODBYE = 10.0
"""Seconds that the server gets to end by itself."""


class ObserveError(WindtunnelServerError):
    """The measurement is not valid: the server did not run, or something did not happen that should have."""


@dataclass(slots=True)
class Served:
    """What the server knows of the calls: filled when it has ended."""

    regions: Mapping[str, str]
    truths: dict[str, str | None] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, set[str]] = field(default_factory=dict)


@contextmanager
def serving() -> Iterator[Served]:
    """A server with an open region, and one for each fault of a listener, by its name.

    Yields the regions' base URLs. On leaving it ends the server, and the records are there. Raises `ObserveError`.
    """
    with tempfile.TemporaryDirectory(prefix="windtunnel-observe-") as folder:
        plan = Path(folder, "plan.json")
        plan.write_text(json.dumps(_plan().model_dump(mode="json", by_alias=True)), encoding="utf-8")
        process = _started(plan, Path(folder))
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise ObserveError(f"the server ended before it was ready: {_said(Path(folder))}")
            served = Served(json.loads(line)["regions"])
            yield served
            process.terminate()
            status = process.wait(_GOODBYE)
            said = _said(Path(folder))
            if status or said:
                raise ObserveError(f"the server ended with status {status} and said: {said or 'nothing'}")
            _read(served, Path(folder))
        finally:
            process.kill()
            process.communicate()


def _plan() -> Plan:
    closed = [kind.name for kind in FAULTS.values() if kind.stage == "listener"]
    answer = {"first_token": "1ms", "tokens": 16, "tokens_per_second": 100_000.0, "tokens_per_chunk": 4}
    provider = {
        "regions": {name: {} for name in (OPEN, *closed)},
        "capacity": {"slots": 10_000, "abandoned": "stop"},
        "answer": answer,
    }
    rules = [{"fault": name, "match": {"region": name}} for name in closed]
    return Plan.model_validate({"name": "observed", "seed": 1, "provider": provider, "rules": rules})


def _started(plan: Path, journal: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, PARENT_PID: str(os.getpid())}
    command = [sys.executable, "-m", "windtunnel.mock_server", "--plan", str(plan), "--journal", str(journal)]
    with (journal / _LOG).open("wb") as log:
        return subprocess.Popen(
            [*command, "--with-parent", "--epoch", "fixed"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def _said(folder: Path) -> str:
    """The end of what the server wrote to stderr."""
    return (folder / _LOG).read_text(encoding="utf-8", errors="replace").strip()[-2000:]


def _read(served: Served, folder: Path) -> None:
    columns = ["call_id", "attempt", "truth_digest", "faults"]
    for row in read_segments(folder.glob("served-*.arrows")).select(columns).to_pylist():
        call = row["call_id"]
        served.attempts[call] += 1
        served.faults.setdefault(call, set()).update(row["faults"] or ())
        if row["attempt"] == 0:
            served.truths[call] = row["truth_digest"]
