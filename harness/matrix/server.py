"""A server process for one round of measurements: its regions, and the records that it leaves."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from windtunnel.harness.contract.files import write_json
from windtunnel.harness.errors import MeasurementError
from windtunnel.harness.run.children import start_mock
from windtunnel.mock_server.faults import FAULTS
from windtunnel.mock_server.faults.base import BEFORE_REQUESTS
from windtunnel.mock_server.journal.segments import read_segments
from windtunnel.mock_server.plan.plan import Plan

OPEN = "open"
"""The region in which a fault is what a request asks for."""

START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 10.0


@dataclass(slots=True)
class ServerRecords:
    """What the server knows of the calls: `regions` and `ca_file` while it runs, the rest when it has ended."""

    regions: Mapping[str, str]
    ca_file: str
    truths: dict[str, str | None] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, set[str]] = field(default_factory=dict)


@asynccontextmanager
async def running_server() -> AsyncIterator[ServerRecords]:
    """A server with an open region, and one for each fault of a listener or a TLS handshake, by its name.

    Yields the regions' base URLs. On leaving it ends the server, and the records are there. Raises
    `MeasurementError` if the server does not start, or ends with anything to complain about.
    """
    with tempfile.TemporaryDirectory(prefix="windtunnel-matrix-") as name:
        folder = Path(name)
        write_json(folder / "plan.json", _plan().model_dump(mode="json", by_alias=True))
        # With a fixed time the lengths of answers, and so where they are cut, are the same every time.
        mock = await start_mock(folder, "plan.json", "--epoch", "fixed", journal=".")
        try:
            announced = await mock.announcement(START_TIMEOUT_S)
            records = ServerRecords(announced["regions"], announced["ca_file"])
            yield records
            status = await mock.end(END_TIMEOUT_S)
            complaint = mock.log.read_text(encoding="utf-8", errors="replace").strip()[-2000:]
            if status or complaint:
                raise MeasurementError(
                    f"the server ended with status {status} and said: {complaint or 'nothing'}"
                )
            _read(records, folder)
        finally:
            await mock.end()


def _plan() -> Plan:
    before = {kind.name: kind.stage for kind in FAULTS.values() if kind.stage in BEFORE_REQUESTS}
    answer = {"first_token": "1ms", "tokens": 16, "tokens_per_second": 100_000.0, "tokens_per_chunk": 4}
    provider = {
        "regions": {OPEN: {}} | {name: {"tls": stage == "handshake"} for name, stage in before.items()},
        "capacity": {"slots": 10_000, "abandoned": "stop"},
        "answer": answer,
    }
    rules = [{"fault": name, "match": {"region": name}} for name in before]
    return Plan.model_validate({"name": "observed", "seed": 1, "provider": provider, "rules": rules})


def _read(records: ServerRecords, folder: Path) -> None:
    columns = ["call_id", "attempt", "truth_digest", "faults"]
    for row in read_segments(folder.glob("served-*.arrows")).select(columns).to_pylist():
        call = row["call_id"]
        records.attempts[call] += 1
        records.faults.setdefault(call, set()).update(row["faults"] or ())
        if row["attempt"] == 0:
            records.truths[call] = row["truth_digest"]
