"""`windtunnel soak`: the phases of a scenario again and again, for hours: what grows, what slows down?"""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from windtunnel.harness.cli.exit_codes import EXPECTATION_FAILED, NOT_VALID
from windtunnel.harness.cli.lab import INSTALL, require_lab
from windtunnel.harness.contract.files import SOAK_RUN
from windtunnel.harness.contract.text import printable
from windtunnel.harness.errors import InputError

if TYPE_CHECKING:
    from windtunnel.harness.soak.cycles import Cycled

COMMAND = "windtunnel soak"


def soak(
    scenario: Annotated[str, typer.Argument(help="A scenario of the gallery by name, or a YAML file.")],
    for_: Annotated[str, typer.Option("--for", help="How long, such as 8h, in virtual time.")],
    clients: Annotated[
        str | None,
        typer.Option(help="Client profiles (names or files), with commas between. Default: the scenario's."),
    ] = None,
    cycle: Annotated[
        str | None,
        typer.Option(help="How long all phases together last, such as 30m. Default: as in the scenario."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where all of it goes: absent or empty. Default: a new folder in runs/."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the scenario's seed.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Clients side by side. Default: one a core.")] = None,
) -> None:
    """Play the phases of SCENARIO again and again on the virtual clock, and say what grows or slows down.

    Exit status: 0 nothing was found, 1 something was, 2 the input is wrong, 3 it could not be measured.
    """
    require_lab("soak")
    if find_spec("ruptures") is None:
        raise InputError(COMMAND, hint=f"needs ruptures, which one line installs: {INSTALL}")
    from windtunnel.harness.inputs.gallery import load_profile
    from windtunnel.harness.run.run import run_folder
    from windtunnel.harness.soak.cycles import check_disk, cycled

    again = cycled(scenario, _length("--for", for_), None if cycle is None else _length("--cycle", cycle))
    names = [name.strip() for name in clients.split(",") if name.strip()] if clients else None
    for name in names or again.scenario.clients:
        load_profile(name)  # a mistake in it is told before anything is written
    where = out or Path("runs")
    check_disk(where, shutil.disk_usage(_there(where)).free, again, len(names or again.scenario.clients))
    folder = run_folder(out, f"soak-{again.scenario.name}")
    raise typer.Exit(_play(again, folder, names, seed, jobs))


def _play(again: Cycled, folder: Path, clients: list[str] | None, seed: int | None, jobs: int | None) -> int:
    """Play it and report; returns the exit code."""
    from windtunnel.harness.run.progress import reporter
    from windtunnel.harness.run.run import RunOptions, run
    from windtunnel.reports.soak.build import write_soak_report

    told = Console(stderr=True)
    told.print(f"soak: {again.said}", markup=False, highlight=False, soft_wrap=True)
    options = RunOptions(
        str(again.write(folder / "scenario.yaml")),
        clients,
        folder / SOAK_RUN,
        jobs=jobs,
        seed=seed,
        clock="virtual",
        verify=False,
    )
    records = run(options, reporter(told))
    for failure in records.failures:
        print(f"not whole: {failure}", file=sys.stderr)
    report = write_soak_report(folder)
    for line in report.lines:
        print(printable(line))
    print(folder / "index.html")
    if records.failures or not report.measured:
        return NOT_VALID
    return EXPECTATION_FAILED if report.findings else 0


def _length(option: str, text: str) -> float:
    """A length of time of an option."""
    from windtunnel.mock_server.plan.units import parse_seconds

    try:
        seconds = parse_seconds(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise InputError(COMMAND, path=option, found=text, expected="a length of time, such as 8h or 30m")
    return seconds


def _there(path: Path) -> Path:
    """The nearest folder above `path`, itself included, that exists."""
    return next(one for one in (path.resolve(), *path.resolve().parents) if one.exists())
