"""The folder of a soak of a process, laid out as a run with one cell, so that reports read it as any other.

soak-options.json, soak-state.json, watch-CLIENT.jsonl
run/plan.json
run/cells/CLIENT-0/{server_plan.json, status.json, steps.jsonl, calls-*, served-*, connections-*, lags-*.arrows}
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from windtunnel.harness.contract.files import PLAN_VERSION, SOAK_RUN, read_json, write_json
from windtunnel.harness.contract.records import CALLS_SCHEMA, call_tuple
from windtunnel.harness.errors import InputError
from windtunnel.harness.load.kept_calls import calls_of_served
from windtunnel.harness.load.retention import rows_in
from windtunnel.harness.soak.cycles import Cycled
from windtunnel.mock_server.journal.segments import SegmentWriter

STATE_FILE: Final = "soak-state.json"
"""In the folder of a soak of a process: how far it is, written every ten seconds."""
INFERRED: Final = "calls-inferred.arrows"
"""The calls of a program that makes them itself, as the provider's records tell; made anew at each end of a soak."""


@dataclass(frozen=True, slots=True)
class SoakState:
    """How far a soak is: seconds since its start, when that was (seconds since 1970), and whether it is over."""

    at_s: float
    start_s: float
    over: bool = False


class SoakFolder:
    """Where everything of a soak of a process is written."""

    def __init__(self, folder: Path, client: str) -> None:
        self.folder = folder
        self.run = folder / SOAK_RUN
        self.client = client
        self.cell = self.run / "cells" / f"{client}-0"

    def begin(self, again: Cycled, seed: int) -> None:
        """Make the folders, and write what the mock and reports read."""
        self.cell.mkdir(parents=True, exist_ok=True)
        plan = again.scenario.plan(seed=seed).model_dump(mode="json", by_alias=True)
        write_json(self.cell / "server_plan.json", plan, indent=1)
        self.write_plan(again, seed, again.length_s)

    def write_plan(self, again: Cycled, seed: int, played_s: float) -> None:
        """Write the run's plan with the whole cycles of the first `played_s` seconds, at least one."""
        cycles = max(1, min(again.cycles, math.floor(played_s / again.cycle_s + 1e-6)))
        phases = again.scenario.phases[: len(again.scenario.phases) // again.cycles * cycles]
        spans, start = [], 0.0
        for phase in phases:
            spans.append({"name": phase.name, "start": start, "end": start + phase.for_})
            start += phase.for_
        scenario = again.scenario.model_dump(mode="json", by_alias=True)
        cell = {
            "client": self.client,
            "repeat": 0,
            "dir": str(self.cell.relative_to(self.run)),
            "phases": spans,
            "faulty": [phase.name for phase in phases if phase.is_faulty],
            "load": scenario["load"],
            "clock": "real",
        }
        write_json(
            self.run / "plan.json",
            {
                "plan_version": PLAN_VERSION,
                "scenario_name": again.scenario.name,
                "scenario": scenario,
                "seed": seed,
                "clock": "real",
                "versions": {"windtunnel": version("windtunnel")},
                "cells": [cell],
            },
            indent=1,
        )

    def close(self, reason: str, *, driven: bool) -> None:
        """Say that the cell is over, and why; make a table of inferred calls where they have none."""
        if not driven:
            self._infer_calls()
        write_json(self.cell / "status.json", {"state": "finished", "reason": reason}, indent=1)

    def _infer_calls(self) -> None:
        path = self.cell / INFERRED
        path.unlink(missing_ok=True)
        writer = SegmentWriter(path, CALLS_SCHEMA)
        for row in calls_of_served(rows_in(list(self.cell.glob("served-*.arrows")), "served"), self.client):
            writer.add(call_tuple(row))
        writer.close()

    def write_state(self, state: SoakState) -> None:
        """Write how far the soak is."""
        write_json(self.folder / STATE_FILE, asdict(state))

    def read_state(self) -> SoakState:
        """How far the soak is. Raises `InputError` if it never began."""
        told: dict[str, Any] = read_json(self.folder / STATE_FILE)
        if not told:
            expected = "one that has begun to play"
            raise InputError(self.folder, path="--resume", found="a soak without a state", expected=expected)
        return SoakState(**told)
