"""One cell of a run: a mock of its own, a load of its own, one client, one repeat.

    prepare ─► start (mock, load) ─► ready ─► begin(t0) ─► watch ─► close (journal cut, tables compacted)

The supervisor calls these in order; a cell knows nothing of the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import time
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp

from windtunnel.harness.arrivals import write_schedule
from windtunnel.harness.contract.files import UNUSABLE, read_json, write_json
from windtunnel.harness.errors import InputError, MeasurementError
from windtunnel.harness.inputs.program import is_own_program
from windtunnel.harness.plan import CellPlan
from windtunnel.harness.run.children import Child, callers_variables, python, removed_variables, start_mock
from windtunnel.harness.run.gateway import RunningGateway
from windtunnel.harness.run.trust import trusting
from windtunnel.mock_server.journal.segments import compact

State = Literal["preparing", "running", "finished", "interrupted", "failed"]
READY_TIMEOUT_S = 90.0
POLL_S = 0.25
OVERTIME_S = 30.0
WARM_UP_PLAN = "warm_up_plan.json"
"""What the mock begins with: clients are warmed up against a provider without the scenario's faults."""
TABLES = ("calls", "attempts", "served", "connections", "lags")


@dataclass(slots=True)
class CellProgress:
    """What a cell has done so far, summed over its load processes."""

    at_s: float = 0.0
    phase: str = "starting"
    intended: int = 0
    ended: int = 0
    ok: int = 0
    attempts: int = 0
    heartbeats: dict[str, float] = field(default_factory=dict)


class Cell:
    """A cell while it is being played. Raises `MeasurementError` when a part of it dies or never gets ready."""

    def __init__(self, plan: CellPlan, folder: Path, processes: int) -> None:
        self.plan = plan
        self.folder = folder
        self.processes = processes
        self.t0: float | None = None
        self.state: State = "preparing"
        self.reason = ""
        self.played_again = ""
        self.progress = CellProgress()
        self._mock: Child | None = None
        self._load: Child | None = None
        self._admin = ""
        self._gateway = None if plan.gateway is None else RunningGateway(plan.gateway, folder)

    @property
    def name(self) -> str:
        return f"{self.plan.client}-{self.plan.repeat}"

    @property
    def plays_own_code(self) -> bool:
        """Whether the client is code of the user's own, which keeps the environment that it is used to."""
        return self.plan.profile.target is not None or is_own_program(self.plan.profile)

    @property
    def length_s(self) -> float:
        """Seconds from t0 to the end of the last phase."""
        return self.plan.length_s

    @property
    def load_pid(self) -> int:
        """Process id of the load (of its master, if there are several). Raises `ValueError` before it is started."""
        if self._load is None:
            raise ValueError(f"{self.name}: the load has not been started")
        return self._load.process.pid

    @property
    def mock_at(self) -> str:
        """Host and port of the mock's admin API and `/metrics`; empty before it is started, and where it has none."""
        return urlsplit(self._admin).netloc

    def again(self, because: str) -> Cell:
        """The same cell, to be played once more, since its first play was not valid. Its records make way."""
        shutil.rmtree(self.folder)
        other = type(self)(self.plan, self.folder, self.processes)
        other.played_again = because
        return other

    def prepare(self) -> None:
        """Write what both processes read: the plan of the cell, of its server, and the schedule."""
        self.folder.mkdir(parents=True)
        self.plan.write_json(self.folder / "cell.json")
        write_json(self.folder / "server_plan.json", self.plan.server_plan, indent=1)
        write_json(self.folder / WARM_UP_PLAN, self.plan.warm_up_plan, indent=1)
        write_schedule(self.plan, self.folder / "schedule.parquet")
        self._write_status()

    async def start(self) -> None:
        """Start mock and load and wait until every process says it is ready."""
        self._mock = await start_mock(self.folder, WARM_UP_PLAN, journal=".")
        announced = await self._mock.announcement(READY_TIMEOUT_S)
        self._admin = announced["admin_url"]
        regions: dict[str, str] = announced["regions"]
        if self._gateway is not None:
            await self._gateway.start(regions, called=self.plan.region, model=self.plan.load.model)
            regions = dict.fromkeys(regions, self._gateway.base_url)
        locustfile = str(files("windtunnel.scenarios") / "locustfile.py")
        options = [
            "--headless",
            "--only-summary",
            "--cell",
            "cell.json",
            "--base-url",
            json.dumps(regions),
        ]
        if self.processes > 1:
            options += ["--processes", str(self.processes), *_meeting_point()]
        users = str(self.processes)
        self._load = await Child.spawn(
            "load",
            python(
                "-m",
                "locust",
                "-f",
                locustfile,
                *options,
                "-u",
                users,
                "-r",
                users,
                "--exit-code-on-error",
                "0",
                interpreter=self.plan.profile.python,
            ),
            log=self.folder / "locust.log",
            cwd=self.folder,
            env=trusting(announced),
            own_code=self.plays_own_code,
        )
        await self._until_ready(self._load)

    async def _until_ready(self, load: Child) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while len(list(self.folder.glob("ready-*.json"))) < self.processes:
            self._raise_if_dead()
            if time.monotonic() > deadline:
                raise MeasurementError(
                    f"the load was not ready after {READY_TIMEOUT_S:.0f} s; see {load.log}"
                )
            await asyncio.sleep(POLL_S)

    async def begin(self, t0: float) -> None:
        """Announce to mock and load the one moment (monotonic seconds) at which the first phase begins."""
        async with aiohttp.ClientSession() as session:
            async with session.put(f"{self._admin}/plan", json=self.plan.server_plan) as answer:
                answer.raise_for_status()
            async with session.post(f"{self._admin}/reset", json={"t0": t0}) as answer:
                answer.raise_for_status()
        write_json(self.folder / "start.json", {"t0": t0})
        self.t0 = t0
        self.state = "running"
        self._write_status()

    async def watch(self) -> None:
        """Return when the load has played its schedule to the end; keep `progress` up to date meanwhile."""
        assert self._load is not None
        assert self.t0 is not None
        latest = self.t0 + self.length_s + self.plan.tail_s + OVERTIME_S
        while self._load.running:
            self._raise_if_dead()
            if self._gateway is not None:
                self._gateway.look()
            if time.monotonic() > latest:
                raise MeasurementError(f"the load still runs {OVERTIME_S:.0f} s after its end")
            self._read_progress()
            await self._load.wait(POLL_S)
        self._read_progress()
        if self._load.process.returncode != 0:
            raise MeasurementError(f"the load failed ({self._load.how_it_ended()})")
        unfinished = [
            path.name for path in self.folder.glob("progress-*.json") if not read_json(path).get("done")
        ]
        if unfinished:
            raise MeasurementError(f"a load process ended before its schedule did ({', '.join(unfinished)})")
        self.state = "finished"

    def _raise_if_dead(self) -> None:
        for child in (self._mock, self._load):
            if child is None or child.running:
                continue
            self._raise_if_unusable(child.log)
            if child is self._mock or self.state == "preparing":
                raise MeasurementError(f"the {child.name} died {self._when()} ({child.how_it_ended()})")

    def _raise_if_unusable(self, log: Path) -> None:
        """Raise `InputError` if the load says in its log that the client's own code can make no call at all."""
        with contextlib.suppress(OSError):
            for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith(UNUSABLE):
                    told = json.loads(line.removeprefix(UNUSABLE))
                    raise InputError(f"client {self.plan.client}", **told)

    def _when(self) -> str:
        return "before the start" if self.t0 is None else f"at {time.monotonic() - self.t0:+.1f} s"

    def fail(self, state: State, reason: str) -> None:
        """Mark the cell as not finished; its records stay."""
        self.state, self.reason = state, reason

    async def close(self) -> None:
        """End both processes, whatever their state, and make tables of what was recorded."""
        if self._load is not None:
            await self._load.end()
        if self._gateway is not None:
            await self._gateway.close(self.t0)
        if self._mock is not None:
            if self._mock.running and self._admin:
                await self._stop_mock(self._mock)
            await self._mock.end()
        self._read_progress()
        try:
            await asyncio.to_thread(self.compact)
            self._write_status()
        except OSError as error:  # a full disk: the segments stay, and reports read them as well
            self.fail("failed", self.reason or f"the records could not be closed: {error}")

    async def _stop_mock(self, mock: Child) -> None:
        try:
            timeout = aiohttp.ClientTimeout(total=10)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(f"{self._admin}/stop") as answer,
            ):
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return  # it is ended by signal next, and cuts its journal then as well
        await mock.wait(10.0)

    def compact(self) -> None:
        """One Parquet file a table in place of the segments; a table without any segment stays absent."""
        for table in TABLES:
            segments = sorted(self.folder.glob(f"{table}-*.arrows"))
            if segments:
                compact(segments, self.folder / f"{table}.parquet")
                for segment in segments:
                    segment.unlink()

    def _read_progress(self) -> None:
        now = 0.0 if self.t0 is None else time.monotonic() - self.t0
        merged = CellProgress(at_s=now, phase=self._phase_at(now))
        for path in sorted(self.folder.glob("progress-*.json")):
            worker = read_json(path)
            merged.intended += int(worker.get("intended", 0))
            merged.ended += int(worker.get("ended", 0))
            merged.ok += int(worker.get("ok", 0))
            merged.attempts += int(worker.get("attempts", 0))
            if "heartbeat_s" in worker:
                merged.heartbeats[path.stem] = float(worker["heartbeat_s"])
        self.progress = merged

    def _phase_at(self, now: float) -> str:
        if now < 0:
            return "warm-up"
        return self.plan.phase_at(now) or "tail"

    def _write_status(self) -> None:
        heartbeats = self.progress.heartbeats
        status: dict[str, Any] = {
            "state": self.state,
            "reason": self.reason,
            "t0": self.t0,
            "last_heartbeat_s": min(heartbeats.values()) if heartbeats else None,
            "processes": self.processes,
            **({"played_again": self.played_again} if self.played_again else {}),
            "environment": {
                "removed": removed_variables(own_code=self.plays_own_code),
                "kept": sorted(callers_variables()) if self.plays_own_code else [],
            },
            "exit_codes": {
                child.name: child.process.returncode
                for child in (self._mock, self._load)
                if child is not None
            },
        }
        write_json(self.folder / "status.json", status, indent=1)


def _meeting_point() -> list[str]:
    """Where Locust's master and its workers meet: on loopback, at a port that is free now.

    Locust's workers must know the number before the master listens, so it cannot be left to the kernel.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    bind = ["--master-bind-host", "127.0.0.1", "--master-bind-port", port]
    return [*bind, "--master-host", "127.0.0.1", "--master-port", port]
