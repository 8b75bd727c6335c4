"""`windtunnel run --resume RUN_DIR`: a run that was broken off, of one scenario or of several, played to its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from windtunnel.harness.cli.several import Play, resume_several, scenarios_of
from windtunnel.harness.contract.files import RUNS_FILE
from windtunnel.harness.errors import InputError

if TYPE_CHECKING:
    from windtunnel.harness.run.run import RunOptions


def resume_run(
    folder: Path, scenarios: Sequence[str], options: RunOptions, play: Play, *, clock: str | None
) -> int:
    """Play what is missing in `folder`; gives the exit code. `scenarios` and `options` are those of the command.

    Raises `InputError` if it is no run, another one, or one that cannot go on here.
    """
    if options.out is not None:
        expected = "one of them: --resume plays into RUN_DIR"
        raise InputError(
            "windtunnel run", path="--resume", found=f"--out {options.out} as well", expected=expected
        )
    clocks = [name for name in ("virtual", "real") if (folder / name / "plan.json").is_file()]
    if clock == "both" or clocks:
        found = "a run on both clocks" if clocks else "--clock both"
        expected = "one clock: " + " and ".join(f"--resume {folder / name}" for name in clocks or ("real",))
        raise InputError(folder, path="--resume", found=found, expected=expected)
    several = (folder / RUNS_FILE).is_file()
    names = scenarios_of(folder) if several else [""]
    _refuse_others(folder, names, scenarios, options)
    if several:
        return resume_several(folder, options, play)
    return play(replace(options, out=folder)).code


def _refuse_others(folder: Path, names: Sequence[str], scenarios: Sequence[str], options: RunOptions) -> None:
    """Raise `InputError` unless the runs in `folder` can go on, and are those that are asked for, if any are."""
    from windtunnel.harness.run.resume import plan_to_resume, refuse_another
    from windtunnel.harness.run.run import plan_for

    plans = {name: plan_to_resume(folder / name) for name in names}
    if scenarios and len(scenarios) != len(names):
        found = f"{len(scenarios)} scenario(s) asked for"
        expected = f"the {len(names)} of this run: {', '.join(plan.scenario_name for plan in plans.values())}"
        raise InputError(folder, path="--resume", found=found, expected=expected)
    for index, (name, plan) in enumerate(plans.items()):
        scenario = scenarios[index] if scenarios else str(folder / name / "plan.json")
        refuse_another(plan, plan_for(replace(options, scenario=scenario)), folder / name)
