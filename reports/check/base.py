"""What a check begins with: what is asked of runs, and each run measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from windtunnel.harness.contract.cells import is_among
from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.contract.metrics import Floor
from windtunnel.reports.check.baseline import NamedBaseline
from windtunnel.reports.check.examples import Examples
from windtunnel.reports.check.model import CheckedRun
from windtunnel.reports.errors import ReportsError
from windtunnel.reports.figures.cells import MeasuredRun, measure_run
from windtunnel.reports.figures.collect import run_figures
from windtunnel.reports.figures.model import RunFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What is asked of every run beside what its scenario expects.

    `clients` narrows to these, None is all. Each run is compared with the one of `baselines` that is of its scenario;
    `force` compares also what does not fit.
    """

    expect: tuple[Expectation, ...] = ()
    clients: tuple[str, ...] | None = None
    strict: bool = False
    baselines: tuple[NamedBaseline, ...] = ()
    floors: Mapping[str, Floor] | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class RunBase:
    """A run that could be read: its figures, the clients that are asked for, and those of them that it has not."""

    folder: Path
    measured: MeasuredRun[None]
    figures: RunFigures
    examples: Examples
    clients: tuple[str, ...]
    missing: tuple[str, ...]


def measured_base(folder: Path, options: CheckOptions) -> RunBase | CheckedRun:
    """Measure a run; what cannot be read is a CheckedRun that says so."""
    try:
        measured: MeasuredRun[None] = measure_run(folder)
        figures = run_figures(measured.run, measured.cells, left_out=measured.left_out)
    except ReportsError as error:
        return CheckedRun(path=folder, wrong=(str(error),))
    wanted = options.clients or tuple(figures.clients)
    clients = tuple(dict.fromkeys(one for name in wanted for one in figures.clients if is_among(one, [name])))
    missing = tuple(name for name in wanted if not any(is_among(one, [name]) for one in figures.clients))
    return RunBase(folder, measured, figures, Examples(measured), clients, missing)
