"""The main job: a scenario and some clients in, a run directory with records out."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import load_profile, load_scenario
from windtunnel.harness.inputs.load import ClockName
from windtunnel.harness.plan import RunPlan, resolve
from windtunnel.harness.run.cell import Cell
from windtunnel.harness.run.progress import Reporter
from windtunnel.harness.run.supervisor import Supervisor
from windtunnel.harness.virtual.cell_queue import VirtualSupervisor

OPEN_FILES = 65_536
CELLS_PER_CORE = 2
MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `windtunnel run` was asked for; None leaves the choice to the scenario or to the machine."""

    scenario: str
    clients: Sequence[str] | None = None
    out: Path | None = None
    repeats: int = 1
    jobs: int | None = None
    seed: int | None = None
    processes: int | None = None
    time_scale: float | None = None
    clock: ClockName | None = None
    seeds: int | None = None


@dataclass(frozen=True, slots=True)
class RunRecords:
    """Where the records of a run are, and what kept it from being whole (a line per cell; empty if nothing)."""

    folder: Path
    interrupted: bool
    failures: tuple[str, ...]


def run(options: RunOptions, reporter: Reporter) -> RunRecords:
    """Play the scenario against every client and return where the records are.

    Raises `InputError` before anything is started if the input is wrong.
    """
    plan = plan_for(options)
    folder = run_folder(options.out, plan.scenario_name)
    raise_open_file_limit()
    plan.write_json(folder / "plan.json")
    jobs = options.jobs or (1 if plan.clock == "virtual" else CELLS_PER_CORE) * (os.cpu_count() or 1)
    kind = VirtualSupervisor if plan.clock == "virtual" else Supervisor
    supervisor = kind(plan, folder, jobs=jobs, reporter=reporter)
    with reporter:
        asyncio.run(supervisor.play())
    return RunRecords(folder, supervisor.interrupted, tuple(failures_of(supervisor.cells)))


def failures_of(cells: Sequence[Cell]) -> list[str]:
    """A line per cell that was not played to its end; one line for many that share a reason."""
    by_reason: dict[str, list[str]] = {}
    for cell in cells:
        if cell.state != "finished":
            by_reason.setdefault(cell.reason, []).append(cell.name)
    lines = []
    for reason, names in by_reason.items():
        many = len(names) > MOST_NAMED
        lines += (
            [f"{len(names)} of {len(cells)} cells: {reason}"] if many else [f"{n}: {reason}" for n in names]
        )
    return lines


def plan_for(options: RunOptions) -> RunPlan:
    """The resolved plan; every mistake in scenario, profiles and options is found here."""
    for name, value in (
        ("--repeat", options.repeats),
        ("--jobs", options.jobs),
        ("--processes", options.processes),
        ("--seeds", options.seeds),
    ):
        if value is not None and value < 1:
            raise InputError(
                "windtunnel run", path=name, found=str(value), expected="a whole number of at least 1"
            )
    scenario = load_scenario(options.scenario, time_scale=options.time_scale)
    names = list(options.clients) if options.clients else list(scenario.clients)
    profiles = [load_profile(name) for name in names]
    return resolve(
        scenario,
        profiles,
        repeats=options.repeats,
        seed=options.seed,
        processes=options.processes,
        clock=options.clock,
        seeds=options.seeds,
    )


def run_folder(out: Path | None, scenario: str) -> Path:
    """Make the run directory: `out` itself, which must be absent or empty, or a new one below `runs/`."""
    if out is None:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        for attempt in range(1, 100):
            folder = Path("runs") / (
                f"{stamp}-{scenario}" if attempt == 1 else f"{stamp}-{scenario}-{attempt}"
            )
            if not folder.exists():
                break
    else:
        folder = out
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise InputError(
            folder, path="--out", found=error.strerror or str(error), expected="a directory to write to"
        ) from error
    if occupied:
        raise InputError(
            folder, path="--out", found="a directory with files in it", expected="an absent or empty one"
        )
    return folder


def raise_open_file_limit() -> None:
    """Let this process and its children have as many descriptors as the system allows, up to 65,536."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
