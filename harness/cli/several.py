"""`windtunnel run` with several scenarios: one run directory each, side by side in one folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from windtunnel.harness.cli.exit_codes import worst
from windtunnel.harness.errors import InputError

if TYPE_CHECKING:
    from windtunnel.harness.run.run import RunOptions


def run_several(options: RunOptions, scenarios: Sequence[str], play: Callable[[RunOptions], int]) -> int:
    """Play one scenario after the other into OUT/<its name>; gives the worst exit code.

    `play` plays one run, prints its verdicts and gives its exit code. Raises `InputError`, before anything is played,
    for a mistake in any of the scenarios, or if two of them have one name.
    """
    from windtunnel.harness.run.run import plan_for, run_folder

    runs = [replace(options, scenario=scenario) for scenario in scenarios]
    names = [plan_for(run).scenario_name for run in runs]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        expected = "scenarios that differ in name: each is played into a folder of that name"
        raise InputError("windtunnel run", path="SCENARIO", found=f"{twice[0]!r} twice", expected=expected)
    out = run_folder(options.out, f"{len(runs)}-scenarios")
    codes = []
    for name, run in zip(names, runs, strict=True):
        print(f"{name}:")
        codes.append(play(replace(run, out=out / name)))
    print(out)
    return worst(codes)
