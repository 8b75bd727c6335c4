"""From run directories to a CheckResult: each run measured, what is expected judged, its baseline compared."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from windtunnel.reports.check.against import against_baselines
from windtunnel.reports.check.base import CheckOptions, measured_base
from windtunnel.reports.check.expected import expected_of
from windtunnel.reports.check.model import CheckedRun, CheckResult

NOTHING = "found nothing that is expected of its clients, expected `expect` in the scenario, or --expect"


def run_folders(given: Sequence[Path]) -> list[Path]:
    """The run directories that are meant: a folder of several runs, as `run` leaves it, stands for each of them."""
    return [folder for path in given for folder in _inside(path)]


def _inside(path: Path) -> Sequence[Path]:
    if path.is_dir() and not (path / "plan.json").is_file():
        return sorted(plan.parent for plan in path.glob("*/plan.json")) or [path]
    return [path]


def check_runs(folders: Sequence[Path], options: CheckOptions) -> CheckResult:
    """Check every run; one that cannot be read is told in its place, and the others are checked all the same."""
    bases = [measured_base(folder, options) for folder in folders]
    runs = [base if isinstance(base, CheckedRun) else expected_of(base, options) for base in bases]
    if options.baselines:
        runs = against_baselines(runs, bases, options)
    read = [run for run in runs if run.scenario]
    keys = {key for run in read for key in run.not_here}
    nowhere = {key for key in keys if all(key in run.not_here for run in read)}
    return CheckResult(tuple(_told(run, nowhere) for run in runs))


def _told(run: CheckedRun, nowhere: Collection[str]) -> CheckedRun:
    """What was asked for and has no place in any run is a mistake; what has none in this run alone is a note."""
    wrong = tuple(told for text, told in run.not_here.items() if text in nowhere)
    notes = tuple(told for text, told in run.not_here.items() if text not in nowhere)
    if not (run.checked or run.compared or run.wrong or wrong):
        wrong = (f"{run.path}: {NOTHING}",)
    return replace(run, wrong=(*run.wrong, *wrong), notes=(*run.notes, *notes))
