"""`windtunnel run --clock both`: the same run on both clocks, and how far they agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from windtunnel.harness.cli.exit_codes import NOT_VALID, worst
from windtunnel.harness.errors import InputError

if TYPE_CHECKING:
    from windtunnel.harness.inputs.load import ClockName
    from windtunnel.harness.run.run import RunOptions

ORDER: tuple[ClockName, ...] = ("virtual", "real")


def run_both(options: RunOptions, play: Callable[[RunOptions], int]) -> int:
    """Play `options` into OUT/virtual and OUT/real, and write how far they agree into OUT; gives the exit code.

    `play` plays a run, prints its verdicts and gives its exit code.
    """
    from windtunnel.harness.calibrate.both_clocks import compare
    from windtunnel.harness.contract.files import write_json
    from windtunnel.harness.run.run import plan_for, run_folder
    from windtunnel.reports.page.agreement import write_agreement

    if options.seeds is not None:
        expected = "--repeat: real time plays a few seeds, not many"
        raise InputError("the run", path="--seeds", found="--clock both", expected=expected)
    plans = {clock: plan_for(_on(options, clock)) for clock in ORDER}
    out = run_folder(options.out, plans["real"].scenario_name)
    codes = []
    for clock in ORDER:
        print(f"{clock} clock:")
        codes.append(play(replace(_on(options, clock), out=out / clock)))
    if all((out / clock / "metrics.json").is_file() for clock in ORDER):
        agreement = compare(*(out / clock for clock in ORDER))
        write_json(out / "agreement.json", agreement, indent=1)
        told = write_agreement(out, agreement)
        for one in told.clients:
            print(f"{one.mark} {one.client}: {one.headline}")
        print(told.headline)
    else:
        codes.append(NOT_VALID)
    print(out)
    return worst(codes)


def _on(options: RunOptions, clock: ClockName) -> RunOptions:
    """The same on one clock. Several load processes are of real time alone, `--verify` of the virtual clock."""
    if clock == "virtual":
        return replace(options, clock=clock, processes=None)
    return replace(options, clock=clock, verify=None)
