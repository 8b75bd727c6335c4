"""The main job: a scenario and some clients in, a run directory with records out."""

from __future__ import annotations

import asyncio
import math
import os
import resource
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from windtunnel.harness.contract.cells import is_cell
from windtunnel.harness.errors import InputError
from windtunnel.harness.inputs.gallery import is_file, load_profile, load_scenario
from windtunnel.harness.inputs.gateway import Gateway, gateway_of
from windtunnel.harness.inputs.installed import check_installed
from windtunnel.harness.inputs.load import ClockChoice
from windtunnel.harness.inputs.profile import Profile
from windtunnel.harness.inputs.traces.settings import TrafficTrace
from windtunnel.harness.plan import RunPlan, resolve
from windtunnel.harness.run.cell import Cell
from windtunnel.harness.run.cells_at_once import choose
from windtunnel.harness.run.from_plan import clients_of, is_plan, profiles_of, read_plan, scenario_of
from windtunnel.harness.run.progress import Reporter
from windtunnel.harness.run.resume import held, make_way, missing, plan_to_resume
from windtunnel.harness.run.supervisor import Supervisor
from windtunnel.harness.virtual.cell_queue import Shards, Verify, VirtualSupervisor

OPEN_FILES = 65_536
START_S = 10.0
"""About what a wave of cells takes before and after it is played: imports, connections, closing the tables."""
MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `windtunnel run` was asked for; None leaves the choice to the scenario or to the machine."""

    scenario: str
    clients: Sequence[str] | None = None
    out: Path | None = None
    repeats: int | None = None
    jobs: int | None = None
    seed: int | None = None
    processes: int | None = None
    time_scale: float | None = None
    clock: ClockChoice | None = None
    seeds: int | None = None
    verify: Verify = None
    """On the virtual clock: play every cell twice (True) or none; by default the first cell of each user's own code."""
    profiles: Sequence[Profile] | None = None
    """The clients themselves, in place of `clients`, which names them."""
    repeats_in_real: int | None = None
    """Where the clock is open and a client needs the real one: play so many repeats, in place of `seeds`."""
    path: tuple[str, ...] | None = None
    """What stands between client and provider, in place of the scenario's own."""
    trace: TrafficTrace | None = None
    """Real traffic, in place of the scenario's own load."""
    shards: Shards | None = None
    """Who plays cells on the virtual clock, where they outlive this run."""


@dataclass(frozen=True, slots=True)
class RunRecords:
    """Where the records of a run are, and what kept it from being whole (a line per cell; empty if nothing)."""

    folder: Path
    interrupted: bool
    failures: tuple[str, ...]


FindLate = Callable[[Path], Mapping[str, str]]
"""From a run directory to the cells (by name) whose measurement this machine has spoilt, and how."""


def run(options: RunOptions, reporter: Reporter, find_late: FindLate = lambda _: {}) -> RunRecords:
    """Play the scenario against every client and return where the records are.

    In real time, cells that `find_late` finds are played again, each alone, once. Raises `InputError` before anything
    is started if the input is wrong.
    """
    plan = plan_for(options)
    folder = run_folder(options.out, plan.scenario_name)
    with held(folder):
        plan.write_json(folder / "plan.json")
        return _play(plan, folder, options, reporter, find_late)


def play_plan(plan: RunPlan, options: RunOptions, reporter: Reporter) -> RunRecords:
    """Play a plan that is resolved already, as a search makes one for each of its steps, into `options.out`."""
    folder = run_folder(options.out, plan.scenario_name)
    with held(folder):
        plan.write_json(folder / "plan.json")
        return _play(plan, folder, options, reporter, lambda _: {})


def resume(
    folder: Path,
    options: RunOptions,
    reporter: Reporter,
    find_late: FindLate = lambda _: {},
) -> RunRecords:
    """Play the cells of the run in `folder` that were not played to their end, and return where the records are.

    Raises `InputError` before anything is started if it is no run, still played, or played with other versions. Of
    `options` only how it is played counts, such as `jobs`: what is played is in the directory.
    """
    plan = plan_to_resume(folder)
    with held(folder):
        cells = missing(plan, folder)
        if not cells:
            reporter.say(f"{plan.scenario_name}: all {len(plan.cells)} cells are there")
            return RunRecords(folder, interrupted=False, failures=())
        if len(cells) < len(plan.cells):
            reporter.say(f"{plan.scenario_name}: {len(cells)} of {len(plan.cells)} cells are missing")
        make_way(cells, folder)
        again = replace(options, scenario=str(folder / "plan.json"), clients=None, clock=plan.clock_asked)
        return _play(plan.model_copy(update={"cells": cells}), folder, again, reporter, find_late)


def _play(
    plan: RunPlan, folder: Path, options: RunOptions, reporter: Reporter, find_late: FindLate
) -> RunRecords:
    """Play the cells of `plan` into a run directory that is held."""
    raise_open_file_limit()
    for line in (trace_line(plan), beyond_the_phases(plan)):
        if line:
            reporter.say(line)
    if plan.clock == "virtual":
        played = _play_virtual(plan, folder, options, reporter)
        if played is not None:
            return played
        plan = RunPlan.read_json(folder / "plan.json")
    elif plan.clock_reason:
        reporter.say(f"real time: {plan.clock_reason}")
    return _play_real(plan, folder, options, reporter, find_late)


def _play_real(
    plan: RunPlan, folder: Path, options: RunOptions, reporter: Reporter, find_late: FindLate
) -> RunRecords:
    """Play a plan in real time, as many cells at once as this machine can."""
    jobs = options.jobs
    if jobs is None and len(plan.cells) == 1:
        jobs = 1
    gateway = plan.cells[0].gateway
    if jobs is None and gateway is not None:
        jobs = 1
        reporter.say(
            f"one cell at a time: the gateway {gateway.name} computes as well, how much is not known (--jobs overrides)"
        )
    if jobs is None:
        at_once = choose(plan, folder)
        jobs = at_once.jobs
        reporter.say(at_once.why)
    supervisor = Supervisor(plan, folder, jobs=jobs, reporter=reporter)
    with reporter:
        asyncio.run(supervisor.play())
    late = {} if supervisor.interrupted else find_late(folder)
    late = {
        cell.name: late[cell.name]
        for cell in supervisor.cells
        if cell.name in late and cell.state == "finished"
    }
    if late:
        reporter.say(f"not valid, played again alone: {', '.join(late)}")
        with reporter:
            asyncio.run(supervisor.play_again(late))
    return RunRecords(folder, supervisor.interrupted, tuple(failures_of(supervisor.cells)))


def _play_virtual(plan: RunPlan, folder: Path, options: RunOptions, reporter: Reporter) -> RunRecords | None:
    """Play a plan on the virtual clock. Where nobody demanded that clock and a client needs the real one, the folder
    gets the plan for that instead, and None comes back."""
    chosen = plan.clock_asked == "auto"
    supervisor = VirtualSupervisor(
        plan,
        folder,
        jobs=options.jobs or os.cpu_count() or 1,
        reporter=reporter,
        stop_at_refusal=chosen and (plan.seeds is None or options.repeats_in_real is not None),
        verify=options.verify,
        shards=options.shards,
    )
    began = time.monotonic()
    with reporter:
        (asyncio.run if options.shards is None else options.shards.run)(supervisor.play())
    if supervisor.refused is not None and not supervisor.interrupted:
        cell = supervisor.refused
        reason = f"the client {cell.plan.client} needs it ({cell.refusal})"
        shutil.rmtree(folder / "cells")
        repeats = options.repeats_in_real
        again = options if repeats is None else replace(options, seeds=None, repeats=repeats, verify=None)
        plan_for(again, needs_real=reason).write_json(folder / "plan.json")
        reporter.say(f"real time: {reason}")
        return None
    if chosen and not supervisor.interrupted:
        reporter.say(_virtual_line(plan, time.monotonic() - began))
    return RunRecords(folder, supervisor.interrupted, tuple(failures_of(supervisor.cells)))


def _virtual_line(plan: RunPlan, took_s: float) -> str:
    """One line: how much time was played in how much, and what the same would be in real time."""
    longest = max(cell.warmup_s + cell.length_s + cell.tail_s for cell in plan.cells)
    waves = math.ceil(len(plan.cells) / (os.cpu_count() or 1))
    told = f"virtual time: {span(longest)} of incident in {span(took_s)}"
    if plan.seeds is not None:
        return told
    return (
        f"{told}; `--clock real` plays it over sockets with Locust "
        f"(about {span(waves * (longest + START_S))} here)"
    )


def span(seconds: float) -> str:
    """A length of time in the unit that suits it: `63 s`, `2 min`, `24 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def trace_line(plan: RunPlan) -> str:
    """A line on the trace that is played: how much of it was read, and what was not as expected; empty without one."""
    trace = plan.cells[0].load.trace
    if trace is None or trace.found is None:
        return ""
    found = trace.found
    told = [f"trace {trace.file} ({found.format}): {found.rows:,} calls over {span(found.span_s)}"]
    for count, what in (
        (found.out_of_order, "out of order, now sorted"),
        (found.blank, "blank lines"),
        (found.other, "lines of something else"),
        (found.bad, "bad rows skipped"),
    ):
        told += [f"{count:,} {what}"] if count else []
    if found.more:
        told.append("the file goes on (--trace-rows, load.trace.rows)")
    return "; ".join(told)


def beyond_the_phases(plan: RunPlan) -> str:
    """A line on replayed arrivals that come after the last phase, which no figure counts; empty if there are none."""
    cell = plan.cells[0]
    times = cell.load.arrivals.times_s or ()
    late = sum(time >= cell.length_s for time in times)
    if not late:
        return ""
    word = "replay" if cell.load.trace is None else "trace"
    return (
        f"{word}: {late} of {len(times)} arrivals come after the last phase ({span(cell.length_s)}): "
        "no figure counts them"
    )


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


def plan_for(options: RunOptions, *, needs_real: str = "") -> RunPlan:
    """The resolved plan; every mistake in scenario, profiles and options is found here. See `resolve`."""
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
    if options.verify and options.clock == "real":
        expected = "--clock virtual: in real time no two plays are the same"
        raise InputError("windtunnel run", path="--verify", found="--clock real", expected=expected)
    if is_plan(options.scenario):
        return _again(options, Path(options.scenario), needs_real)
    scenario = load_scenario(options.scenario, time_scale=options.time_scale, trace=options.trace)
    if options.path is not None:
        scenario = scenario.model_copy(update={"path": options.path})
    names = clients_of(options.clients) if options.clients else list(scenario.clients)
    profiles = options.profiles or [load_profile(name) for name in names]
    check_installed(profiles)
    return resolve(
        scenario,
        profiles,
        repeats=options.repeats or 1,
        seed=options.seed,
        processes=options.processes,
        clock=options.clock,
        needs_real=needs_real,
        seeds=options.seeds,
        by_name=not (options.profiles or any(map(is_file, (options.scenario, *names))))
        and options.time_scale != 1
        and options.path is None
        and options.trace is None,
        gateway=gateway_of(scenario.path),
        only=_only(options.clients),
    )


def _again(options: RunOptions, path: Path, needs_real: str) -> RunPlan:
    """The plan of a run that is played again; what the options say replaces what it says."""
    plan = read_plan(path)
    profiles = options.profiles or profiles_of(plan, options.clients)
    check_installed(profiles)
    # A seed, or a number of repeats, is asked for in place of the many seeds that there were.
    one = options.seed is not None or options.repeats is not None
    seeds = options.seeds or (None if one else plan.seeds)
    repeats = options.repeats or (1 if seeds is not None or plan.seeds is not None else plan.repeats)
    clock = options.clock or plan.clock
    processes = options.processes or (plan.processes if clock == "real" else None)
    scenario = scenario_of(plan, path, options.time_scale)
    if options.trace is not None:
        scenario = scenario.with_trace(options.trace, Path())
    if options.path is not None:
        scenario = scenario.model_copy(update={"path": options.path})
    return resolve(
        scenario,
        profiles,
        repeats=repeats,
        seed=plan.seed if options.seed is None else options.seed,
        processes=processes,
        clock=clock,
        needs_real=needs_real,
        seeds=seeds,
        gateway=_gateway_again(plan, options.path),
        only=_only(options.clients or [cell.client for cell in plan.cells]),
    )


def _only(names: Sequence[str] | None) -> frozenset[str] | None:
    """The cells that are asked for by name; None where none is, and every client is played at all its points."""
    return frozenset(names) if names and any(map(is_cell, names)) else None


def _gateway_again(plan: RunPlan, path: tuple[str, ...] | None) -> Gateway | None:
    """The gateway of a plan as it was, or the one that is asked for."""
    if path is not None:
        return gateway_of(path)
    was = plan.cells[0].gateway
    missing = None if was is None else was.missing()
    if missing is not None:
        raise missing
    return was


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
