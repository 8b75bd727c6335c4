"""`windtunnel run` with several scenarios: one run directory each, side by side in one folder.

OUT/runs.json        which scenarios, and which clients were left out
OUT/<scenario>/      a run directory; its plan.json is there before anything is played
OUT/index.html, summary.md, matrix.json    clients × scenarios, made when all of them are played
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from windtunnel.harness.cli.exit_codes import NOT_VALID, worst
from windtunnel.harness.contract.files import RUNS_FILE, RUNS_VERSION, read_json, write_json
from windtunnel.harness.contract.text import printable
from windtunnel.harness.errors import InputError

if TYPE_CHECKING:
    from windtunnel.harness.plan import RunPlan
    from windtunnel.harness.run.everybody import LeftOut
    from windtunnel.harness.run.run import RunOptions


class Ended(NamedTuple):
    """How a run ended: its exit code, and whether the user stopped it."""

    code: int
    interrupted: bool = False


Play = Callable[["RunOptions"], Ended]
"""Plays what is missing of the run whose plan is in its `out`, prints its verdicts and says how it ended."""


def run_several(
    options: RunOptions,
    scenarios: Sequence[str],
    play: Play,
    *,
    asked: Sequence[str] | None = None,
    left_out: Sequence[LeftOut] = (),
) -> int:
    """Play one scenario after the other into OUT/<its name>, and write the matrix; gives the worst exit code.

    `play` finds the plan in its run directory. `asked` are the clients as they were named, such as `all`, of which
    `left_out` cannot be played here. Raises `InputError`, before anything is played, for a mistake in any of the
    scenarios, or if two of them have one name.
    """
    from windtunnel.harness.run.everybody import those_that_go
    from windtunnel.harness.run.resume import held
    from windtunnel.harness.run.run import plan_for, run_folder

    runs, told = [], list(left_out)
    for scenario in scenarios:
        run, without = those_that_go(replace(options, scenario=scenario), asked)
        runs.append(run)
        told += without
    plans = [plan_for(run) for run in runs]
    names = [plan.scenario_name for plan in plans]
    _refuse_twins(names)
    _refuse_varied(plans)
    out = run_folder(options.out, f"{len(runs)}-scenarios")
    say_left_out(told)
    with held(out):
        content = {
            "runs_version": RUNS_VERSION,
            "scenarios": names,
            "left_out": [asdict(one) for one in told],
        }
        write_json(out / RUNS_FILE, content, indent=1)
        for plan in plans:
            (out / plan.scenario_name).mkdir()
            plan.write_json(out / plan.scenario_name / "plan.json")
        return _play_all(out, names, runs, play)


def resume_several(folder: Path, options: RunOptions, play: Play) -> int:
    """Play what is missing of the runs in `folder`, and write the matrix; gives the worst exit code."""
    from windtunnel.harness.run.resume import held

    names = scenarios_of(folder)
    with held(folder):
        return _play_all(folder, names, [options] * len(names), play)


def scenarios_of(folder: Path) -> list[str]:
    """The scenarios of several runs in one folder. Raises `InputError` if its list is of another version, or broken."""
    told = read_json(folder / RUNS_FILE)
    if told.get("runs_version") != RUNS_VERSION or not isinstance(told.get("scenarios"), list):
        found = f"runs_version {told.get('runs_version')!r}"
        expected = f"{RUNS_VERSION}, and the list `scenarios`"
        raise InputError(folder / RUNS_FILE, found=found, expected=expected)
    return [str(name) for name in told["scenarios"]]


def play_both(options: RunOptions, scenarios: Sequence[str], play: Callable[[RunOptions], int]) -> int:
    """Play each scenario on both clocks, into OUT/<its name>/<clock>; gives the worst exit code."""
    from windtunnel.harness.run.run import plan_for, run_folder

    runs = [replace(options, scenario=scenario) for scenario in scenarios]
    names = [plan_for(run).scenario_name for run in runs]
    _refuse_twins(names)
    out = run_folder(options.out, f"{len(runs)}-scenarios")
    codes = []
    for name, run in zip(names, runs, strict=True):
        print(f"{name}:")
        codes.append(play(replace(run, out=out / name)))
    print(out)
    return worst(codes)


def say_left_out(left_out: Sequence[LeftOut]) -> None:
    """A line on stderr for each client that `--clients all` does not play."""
    for one in left_out:
        print(printable(f"windtunnel: {one}"), file=sys.stderr)


def write_matrix_of(folder: Path) -> None:
    """Write the matrix of the runs in `folder`, and print its ranking."""
    from windtunnel.reports.matrix.build import write_matrix

    for line in write_matrix(folder).lines():
        print(printable(line))


def _play_all(out: Path, names: Sequence[str], runs: Sequence[RunOptions], play: Play) -> int:
    codes = []
    for name, run in zip(names, runs, strict=True):
        print(f"{name}:")
        ended = play(replace(run, out=out / name))
        codes.append(ended.code)
        if ended.interrupted:
            codes.append(NOT_VALID)
            break
    write_matrix_of(out)
    print(out)
    return worst(codes)


def _refuse_varied(plans: Sequence[RunPlan]) -> None:
    for plan in plans:
        if plan.cells[0].varied:
            expected = (
                "it alone: its cells are no clients of other scenarios, and a matrix could rank none of them"
            )
            raise InputError(
                f"scenario {plan.scenario_name}",
                path="vary",
                found="a scenario that varies among several",
                expected=expected,
            )


def _refuse_twins(names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        expected = "scenarios that differ in name: each is played into a folder of that name"
        raise InputError("windtunnel run", path="SCENARIO", found=f"{twice[0]!r} twice", expected=expected)
