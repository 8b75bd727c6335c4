"""`python -m windtunnel.scenarios.locustfile --scenario NAME` by hand: what the supervisor does otherwise, in small.

Every start of the test in Locust's own page is one play of the scenario from its first phase. It has a mock of its own,
a child, and leaves a run directory with a report.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any

import gevent

from windtunnel.harness.arrivals import write_schedule
from windtunnel.harness.contract.files import read_json, write_json, write_whole
from windtunnel.harness.errors import InputError, MeasurementError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.inputs.secured import refuse_tls
from windtunnel.harness.plan import CellPlan, resolve
from windtunnel.harness.run.children import environment, mock_command, python

LEAD_S = 1.0
READY_TIMEOUT_S = 60.0


class ByHand:
    """A session in `folder`: the cell's plan, and the mock that it is played against."""

    def __init__(self, folder: Path, scenario: str, client: str | None, processes: int) -> None:
        chosen = load_scenario(scenario)
        chosen.require_no_vary("load by hand is one cell")
        profile = load_profile(client or chosen.clients[0])
        self._run = resolve(chosen, [profile], processes=processes, clock="real")
        what = "whose authority a Locust that runs already does not know"
        refuse_tls(chosen, what, instead="no TLS, or `windtunnel run`")
        self.plan: CellPlan = self._run.cells[0]
        self.folder = folder
        self.processes = processes
        self._mock: subprocess.Popen[str] | None = None
        self._admin = ""
        self._t0: float | None = None
        self._played: Path | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.plan.write_json(folder / "cell.json")

    def _start_mock(self, cell: Path) -> None:
        """Start the mock and write `urls.json` for the load. Raises `MeasurementError` if it does not start."""
        write_json(cell / "warm_up_plan.json", self.plan.warm_up_plan)
        write_json(cell / "server_plan.json", self.plan.server_plan)
        with (cell / "mock.log").open("a") as log:
            # Not `start_mock`: here gevent is the event loop, and asyncio has none to watch a child with.
            self._mock = subprocess.Popen(
                mock_command("warm_up_plan.json", journal="."),
                cwd=cell,
                env=environment({}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._mock.stdout is not None
        line = self._mock.stdout.readline()
        if not line:
            raise MeasurementError(f"the mock did not start; see {cell / 'mock.log'}")
        announced = json.loads(line)
        self._admin = announced["admin_url"]
        write_json(self.folder / "urls.json", announced["regions"])

    def play_folder(self) -> Path:
        """The cell's folder in the run directory of the next play, with a mock of its own that has no faults yet."""
        self.finish()
        run = _new_run(self.plan.scenario)
        self._run.write_json(run / "plan.json")
        cell = run / self.plan.dir
        cell.mkdir(parents=True)
        self.plan.write_json(cell / "cell.json")
        write_schedule(self.plan, cell / "schedule.parquet")
        self._start_mock(cell)
        self._played, self._t0 = cell, None
        write_whole(self.folder / "current", str(cell))
        return cell

    def begin(self, folder: Path) -> None:
        """Once every load process is ready, tell mock and load the moment t0."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while len(list(folder.glob("ready-*.json"))) < self.processes:
            if time.monotonic() > deadline:
                raise MeasurementError("the load processes did not get ready")
            gevent.sleep(0.05)
        t0 = time.monotonic() + LEAD_S + self.plan.warmup_s
        self._tell("PUT", "plan", self.plan.server_plan)
        self._tell("POST", "reset", {"t0": t0})
        self._t0 = t0
        write_json(folder / "start.json", {"t0": t0})

    def _tell(self, method: str, path: str, content: dict[str, Any]) -> None:
        """Ask something of the mock's admin API."""
        body = json.dumps(content).encode()
        request = urllib.request.Request(f"{self._admin}/{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=10):
            pass

    def finish(self) -> None:
        """End the mock of the play that is over, and report on what was recorded."""
        cell, self._played = self._played, None
        if cell is None:
            return
        self._end_mock()
        workers = [read_json(path) for path in cell.glob("progress-*.json")]
        whole = len(workers) == self.processes and all(worker.get("done") for worker in workers)
        beats = [float(worker["heartbeat_s"]) for worker in workers if "heartbeat_s" in worker]
        status = {
            "state": "finished" if whole else "interrupted",
            "reason": "" if whole else "stopped by the user",
            "t0": self._t0,
            "last_heartbeat_s": min(beats, default=None),
            "processes": self.processes,
        }
        write_json(cell / "status.json", status, indent=1)
        if self._t0 is not None:
            program = "from windtunnel.harness.cli.main import main; main()"
            subprocess.run(python("-c", program, "report", str(cell.parent.parent)), check=False)

    def close(self) -> None:
        """End what still runs, and leave nothing behind but the runs."""
        self.finish()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_mock(self) -> None:
        """End the mock in good order: it cuts its journal."""
        if self._mock is None:
            return
        mock, self._mock = self._mock, None
        try:
            self._tell("POST", "stop", {})
            mock.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            mock.terminate()
            mock.wait(10)
        for pipe in (mock.stdin, mock.stdout):
            if pipe is not None:
                pipe.close()


def _new_run(scenario: str) -> Path:
    """A new run directory below `runs/`, as `windtunnel run` makes them."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1, 100):
        folder = Path("runs", f"{stamp}-{scenario}" + (f"-{number}" if number > 1 else "")).absolute()
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise MeasurementError("no run directory could be made below runs/")


def read_cell(path: Path) -> CellPlan:
    """The plan of the cell. Raises `InputError` if there is none."""
    if not path.is_file():
        raise InputError(path, found="no such file", expected="a cell's plan, or --scenario NAME")
    return CellPlan.read_json(path)
