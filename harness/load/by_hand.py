"""`locust -f scenarios/locustfile.py --scenario NAME` by hand: what the supervisor does otherwise, in small.

A mock is started as a child (unless a base URL is given), and every start of the test in Locust's own page is one
play of the scenario from its first phase.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import gevent

from windtunnel.harness.contract.files import write_json, write_whole
from windtunnel.harness.errors import InputError, MeasurementError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.plan import CellPlan, resolve
from windtunnel.harness.run.children import environment, mock_command

LEAD_S = 1.0
READY_TIMEOUT_S = 60.0


class ByHand:
    """A session in `folder`: the cell's plan, and the mock that it is played against."""

    def __init__(self, folder: Path, scenario: str, client: str | None, processes: int) -> None:
        chosen = load_scenario(scenario)
        profile = load_profile(client or chosen.clients[0])
        self.plan: CellPlan = resolve(chosen, [profile], processes=processes, clock="real").cells[0]
        self.folder = folder
        self.processes = processes
        self._mock: subprocess.Popen[str] | None = None
        self._admin = ""
        self._plays = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.plan.write_json(folder / "cell.json")

    def start_mock(self) -> None:
        """Start the mock and write `urls.json` for the load. Raises `MeasurementError` if it does not start."""
        write_json(self.folder / "warm_up_plan.json", self.plan.warm_up_plan)
        with (self.folder / "mock.log").open("a") as log:
            # Not `start_mock`: here gevent is the event loop, and asyncio has none to watch a child with.
            self._mock = subprocess.Popen(
                mock_command("warm_up_plan.json"),
                cwd=self.folder,
                env=environment({}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._mock.stdout is not None
        line = self._mock.stdout.readline()
        if not line:
            raise MeasurementError(f"the mock did not start; see {self.folder / 'mock.log'}")
        announced = json.loads(line)
        self._admin = announced["admin_url"]
        write_json(self.folder / "urls.json", announced["regions"])

    def play_folder(self) -> Path:
        """The folder of the next play: every start of the test is one of its own, and is warmed up without faults."""
        self._tell("PUT", "plan", self.plan.warm_up_plan)
        self._tell("POST", "reset", {})
        self._plays += 1
        folder = self.folder / f"play-{self._plays}"
        folder.mkdir()
        write_whole(self.folder / "current", folder.name)
        return folder

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
        write_json(folder / "start.json", {"t0": t0})

    def _tell(self, method: str, path: str, content: dict[str, Any]) -> None:
        """Ask something of the mock's admin API."""
        body = json.dumps(content).encode()
        request = urllib.request.Request(f"{self._admin}/{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=10):
            pass

    def close(self) -> None:
        """End the mock."""
        if self._mock is not None:
            self._mock.terminate()
            self._mock.wait(10)


def read_cell(path: Path) -> CellPlan:
    """The plan of the cell. Raises `InputError` if there is none."""
    if not path.is_file():
        raise InputError(path, found="no such file", expected="a cell's plan, or --scenario NAME")
    return CellPlan.read_json(path)
