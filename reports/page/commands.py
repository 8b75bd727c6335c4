"""The commands that play a run, or a part of it, again: as they are printed they run, from any directory."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from windtunnel.harness.contract.cells import base_of
from windtunnel.reports.read.run_dir import Run


def whole_run(run: Run) -> tuple[str, ...]:
    """What plays the whole run again, and what reports on its records again."""
    words = _run(run)
    if run.plan.get("by_name"):
        clients = list(dict.fromkeys(base_of(cell["client"]) for cell in run.plan["cells"]))
        repeats = int(run.plan.get("repeats", 1))
        words += ["--clients", ",".join(clients), "--seed", str(run.plan.get("seed", 0))]
        if run.plan.get("seeds"):
            words += ["--seeds", str(run.plan["seeds"])]
        elif repeats > 1:
            words += ["--repeat", str(repeats)]
        words += _how(run)
    return (shlex.join(words), shlex.join(["windtunnel", "report", str(run.path.absolute())]))


def replay_call(folder: Path, client: str, call: str, repeat: int = 0) -> str:
    """What shows one call of a run on the virtual clock, moment by moment."""
    words = ["windtunnel", "replay", str(folder), "--call", call, "--client", client]
    return shlex.join([*words, *(["--repeat", str(repeat)] if repeat else [])])


def one_seed(run: Run, client: str, seed: str) -> str:
    """What plays one client with one seed of a run over seeds again."""
    words = [*_run(run), "--clients", client, "--seed", seed]
    return shlex.join([*words, *(_how(run) if run.plan.get("by_name") else ())])


def _run(run: Run) -> list[str]:
    """A scenario of the gallery has a name; any other stands in the run's own plan, with its clients."""
    source = run.scenario.get("name", "") if run.plan.get("by_name") else (run.path / "plan.json").absolute()
    return ["windtunnel", "run", str(source)]


def _how(run: Run) -> Sequence[str]:
    """The options that decide how time passes."""
    words = ["--clock", str(run.plan.get("clock", "real"))]
    if int(run.plan.get("processes", 1)) > 1:
        words += ["--processes", str(run.plan["processes"])]
    if run.plan.get("time_scale", 1) != 1:
        words += ["--time-scale", str(Fraction(run.plan["time_scale"]).limit_denominator(10**6))]
    return words
