"""A service that is driven over HTTP: waited for, and then called by Locust at the scenario's rate."""

from __future__ import annotations

import asyncio
import json
import time
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

from windtunnel.harness.arrivals import schedule
from windtunnel.harness.contract.files import write_json
from windtunnel.harness.errors import InputError, MeasurementError
from windtunnel.harness.inputs.scenario import Scenario
from windtunnel.harness.probe.model import Waits
from windtunnel.harness.probe.options import COMMAND, ServiceCall
from windtunnel.harness.run.children import Child, python
from windtunnel.harness.run.process import Program

POLL_S = 0.1
LATE_S = 0.1
ROWS = "users.jsonl"
ASKED = "attach.json"
LEAD_S = 3.0
"""Seconds from the start of Locust's process to the first call."""


async def until_there(url: str, patience_s: float, program: Program | None, command: str = COMMAND) -> None:
    """Return when something listens where `url` points. Raises `InputError` if nothing does within `patience_s`."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    until = time.monotonic() + patience_s
    while True:
        try:
            _, writer = await asyncio.open_connection(parts.hostname, port)
        except OSError as error:
            ended = program is not None and not program.running and await program.wait_all(0)
            if ended or time.monotonic() >= until:
                how = f"; the program: {program.how_it_ended()}" if program is not None else ""
                found = f"nothing that listens on {parts.hostname}:{port} ({error.strerror or error}{how})"
                raise InputError(
                    command, path="--attach", found=found, expected=f"a service within {patience_s:g} s"
                ) from None
            await asyncio.sleep(POLL_S)
        else:
            writer.close()
            return


class AttachedLoad:
    """Locust, calling the service; its rows are in `rows`."""

    def __init__(self, child: Child, folder: Path) -> None:
        self._child = child
        self.rows = folder / ROWS

    @classmethod
    async def start(
        cls, call: ServiceCall, scenario: Scenario, seed: int, folder: Path, t0: float
    ) -> AttachedLoad:
        """Start it: the calls of the scenario's phases are due from `t0` (monotonic seconds) on."""
        due = [one for one in schedule(scenario.load, scenario.length_s, 0.0, 0.0, seed) if one.measured]
        write_json(
            folder / ASKED,
            {
                "url": call.url,
                "method": call.method,
                "body": call.body,
                "headers": dict(call.headers),
                "timeout_s": call.timeout_s,
                "t0": t0,
                "due_s": [one.intended_s for one in due],
                "rows": ROWS,
            },
        )
        locustfile = str(files("windtunnel.scenarios") / "attach.py")
        options = ("--headless", "--only-summary", "-u", "1", "-r", "1", "--exit-code-on-error", "0")
        child = await Child.spawn(
            "load",
            python("-m", "locust", "-f", locustfile, *options),
            log=folder / "locust.log",
            cwd=folder,
            own_code=True,
        )
        return cls(child, folder)

    @property
    def running(self) -> bool:
        """Whether calls are due or under way."""
        return self._child.running

    def raise_if_failed(self) -> None:
        """Raise `MeasurementError` if Locust did not end by itself."""
        if self._child.process.returncode:
            raise MeasurementError(f"the load failed ({self._child.how_it_ended()})")

    async def end(self) -> None:
        """End it, if it still runs."""
        await self._child.end()


def waits(rows: Path, call: ServiceCall, calls: int, requests: int) -> Waits:
    """What users met, of Locust's rows; `calls` and `requests` are what the provider had of it."""
    lines = rows.read_text().splitlines() if rows.exists() else []
    found = [json.loads(line) for line in lines]
    due = len(json.loads((rows.parent / ASKED).read_text())["due_s"])
    ended = sorted(row["ended_s"] - row["intended_s"] for row in found if row["ended_s"] is not None)
    statuses: dict[str, int] = {}
    for row in found:
        name = str(row["status"] or "none")
        statuses[name] = statuses.get(name, 0) + 1
    answered = sum(1 for row in found if row["status"] and row["status"] < 400)
    return Waits(
        url=call.url,
        intended=due,
        answered=answered,
        failed=len(found) - answered,
        by_status=statuses,
        p50_s=_quantile(ended, 0.5),
        p95_s=_quantile(ended, 0.95),
        p99_s=_quantile(ended, 0.99),
        longest_s=ended[-1] if ended else None,
        late_starts=sum(
            row["started_s"] - row["intended_s"] > LATE_S for row in found if row["started_s"] is not None
        ),
        provider_calls_per_user_call=calls / due if due else None,
        requests_per_user_call=requests / due if due else None,
    )


def _quantile(values: list[float], share: float) -> float | None:
    """The smallest of the sorted values that is not below `share` of them."""
    if not values:
        return None
    return values[min(len(values) - 1, int(share * len(values)))]
