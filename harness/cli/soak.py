"""`windtunnel soak`: the phases of a scenario again and again, for hours: what grows, what slows down?"""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from windtunnel.harness.cli.exit_codes import EXPECTATION_FAILED, NOT_VALID
from windtunnel.harness.cli.given import given
from windtunnel.harness.cli.groups import grouped
from windtunnel.harness.cli.lab import INSTALL, require_lab
from windtunnel.harness.cli.options import OutFolder, ScenarioSeed, ServiceOptions, metrics_port_option
from windtunnel.harness.cli.progress import reporters
from windtunnel.harness.contract.text import printable
from windtunnel.harness.errors import InputError

if TYPE_CHECKING:
    from windtunnel.harness.soak.command import ProcessSoaked
    from windtunnel.harness.soak.virtual import VirtualSoaked

COMMAND = "windtunnel soak"
ARGUMENTS = ("scenario", "command")
FOR_A_SERVICE = ("method", "body", "header", "pid")
FOR_A_PROCESS = (*FOR_A_SERVICE, "port", "restart")
"""The parameters that say nothing without a service to call, or without a process at all."""
LONGEST_S = 3.6e9
"""Lengths beyond it are mistakes; and what is computed of them is no number any more."""


@dataclass(frozen=True, slots=True)
class WhatOptions:
    """What is played, and how long."""

    scenario: Annotated[
        str | None,
        typer.Argument(help="A scenario of the gallery by name, or a YAML file.", show_default=False),
    ] = None
    command: Annotated[
        list[str] | None,
        typer.Argument(
            help="A program and its arguments, after `--`: the soak is in real time then.",
            metavar="-- COMMAND",
            show_default=False,
        ),
    ] = None
    for_: Annotated[
        str | None,
        typer.Option("--for", help="How long, such as 8h: virtual time, or real time for a process."),
    ] = None
    clients: Annotated[
        str | None,
        typer.Option(help="Client profiles (names or files), with commas between. Default: the scenario's."),
    ] = None
    cycle: Annotated[
        str | None,
        typer.Option(help="How long all phases together last, such as 30m. Default: as in the scenario."),
    ] = None
    incidents: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="SEED",
            help="Days with a daily curve of load in place of the phases, and random incidents: the scenario's faulty "
            "phases and the gallery's. The same SEED has the same incidents. A day lasts 24h, or --cycle.",
        ),
    ] = None

    def asked(self) -> tuple[str, float, float | None]:
        """The scenario, and the seconds of `--for` and `--cycle`. Raises InputError for what is wrong or missing."""
        if self.scenario is None or self.for_ is None:
            found = f"no {'scenario' if self.scenario is None else '--for'}"
            expected = (
                "a scenario and --for, such as `windtunnel soak soak_24h --for 96h`, or --resume FOLDER"
            )
            raise InputError(COMMAND, found=found, expected=expected)
        return self.scenario, _length("--for", self.for_), _length_if_given("--cycle", self.cycle)


@dataclass(frozen=True, slots=True)
class HowOptions:
    """How it is played, and what is kept of it."""

    port: Annotated[int, typer.Option(help="For a process: the mock's port; 0 picks a free one.")] = 0
    pid: Annotated[
        int | None, typer.Option(help="With --attach, for a service that runs already: watch this process.")
    ] = None
    restart: Annotated[
        bool, typer.Option("--restart", help="Start a program again each time that it ends.")
    ] = False
    keep_raw: Annotated[
        str | None,
        typer.Option(
            help="How long records of single calls stay, such as 2h; figures of 10 s always do. "
            "Default: 2h for a process, else all of the soak."
        ),
    ] = None
    out: OutFolder = None
    seed: ScenarioSeed = None
    jobs: Annotated[int | None, typer.Option(help="Clients side by side. Default: one a core.")] = None
    metrics_port: Annotated[int | None, metrics_port_option("meanwhile")] = None


@grouped
def soak(
    context: typer.Context,
    what: WhatOptions,
    service: ServiceOptions,
    how: HowOptions,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Go on with a soak that was broken off, with all its options."),
    ] = None,
) -> None:
    """Play the phases of SCENARIO again and again, and say what grows or slows down: for Python clients on the virtual
    clock, for a process (`-- COMMAND`, `--attach`) in real time.

    Exit status: 0 nothing was found, 1 something was, or the program failed, 2 the input is wrong, 3 it could not be
    measured, or was ended before its end without a finding.
    """
    require_lab("soak")
    if find_spec("ruptures") is None:
        raise InputError(COMMAND, hint=f"needs ruptures, which one line installs: {INSTALL}")
    if resume is not None:
        left = "--resume FOLDER alone: the soak goes on with the options that it began with"
        _only(context, ("resume", "jobs", "metrics_port"), left)
        code = _resume(resume, how.jobs, how.metrics_port)
    elif not what.command and service.attach is None:
        code = _play_clients(context, what, how)
    else:
        code = _play_process(context, what, service, how)
    raise typer.Exit(code)


def _play_clients(context: typer.Context, what: WhatOptions, how: HowOptions) -> int:
    """Play Python clients on the virtual clock and report; returns the exit code."""
    from windtunnel.harness.soak.virtual import VirtualSoak, begin

    scenario, for_s, cycle_s = what.asked()
    keep_raw_s = _length_if_given("--keep-raw", how.keep_raw)
    _none_of(context, FOR_A_PROCESS, "-- COMMAND or --attach URL as well: it is for a process")
    asked = VirtualSoak(
        scenario=scenario,
        for_s=for_s,
        cycle_s=cycle_s,
        incidents=what.incidents,
        clients=[name for one in (what.clients or "").split(",") if (name := one.strip())] or None,
        keep_raw_s=keep_raw_s,
        seed=how.seed,
        jobs=how.jobs,
    )
    with reporters(how.metrics_port, COMMAND) as new_reporter:
        soaked = begin(asked, how.out, new_reporter())
    return _report_clients(soaked)


def _play_process(context: typer.Context, what: WhatOptions, service: ServiceOptions, how: HowOptions) -> int:
    """Play a process in real time and report; returns the exit code."""
    from windtunnel.harness.soak.command import begin
    from windtunnel.harness.soak.options import KEEP_RAW_S, ProcessSoak

    scenario, for_s, cycle_s = what.asked()
    keep_raw_s = _length_if_given("--keep-raw", how.keep_raw)
    _none_of(context, ("clients",), "one of both: a process is no client of the harness")
    _none_of(context, ("jobs",), "clients on the virtual clock: a process is one alone")
    if service.attach is None:
        _none_of(context, FOR_A_SERVICE, "--attach URL as well: it is for a service")
    asked = ProcessSoak(
        scenario=scenario,
        for_s=for_s,
        cycle_s=cycle_s,
        incidents=what.incidents,
        seed=how.seed,
        command=tuple(what.command or ()),
        attach=service.call(COMMAND),
        pid=how.pid,
        port=how.port,
        keep_raw_s=KEEP_RAW_S if keep_raw_s is None else keep_raw_s,
        restart=how.restart,
    )
    return _report_process(begin(asked, how.out, Console(stderr=True), how.metrics_port))


def _resume(folder: Path, jobs: int | None, metrics_port: int | None) -> int:
    """Go on with the soak in `folder` and report; returns the exit code."""
    from windtunnel.harness.soak import virtual
    from windtunnel.harness.soak.command import go_on, is_of_process

    if is_of_process(folder):
        if jobs is not None:
            expected = "clients on the virtual clock: a process is one alone"
            raise InputError(COMMAND, path="--jobs", found=f"{jobs}", expected=expected)
        return _report_process(go_on(folder, Console(stderr=True), metrics_port))
    with reporters(metrics_port, COMMAND) as new_reporter:
        soaked = virtual.go_on(folder, jobs, new_reporter())
    return _report_clients(soaked)


def _report_clients(soaked: VirtualSoaked) -> int:
    """Report on a soak on the virtual clock; returns the exit code."""
    records = soaked.records
    for failure in records.failures:
        print(f"not whole: {failure}", file=sys.stderr)
    code = _report(soaked.folder, whole=not records.failures)
    if records.interrupted:
        _say_how_to_resume(soaked.folder)
    return NOT_VALID if records.failures else code


def _report_process(soaked: ProcessSoaked) -> int:
    """Report on a soak of a process; returns the exit code."""
    from windtunnel.harness.run.terminal import outliving_the_terminal

    ended = soaked.ended
    with outliving_the_terminal():
        if ended.said:
            print(printable(f"soak: {ended.said}"), file=sys.stderr)
        code = _report(soaked.folder, whole=not ended.said)
        if ended.said:
            _say_how_to_resume(soaked.folder)
    if ended.broken:
        return NOT_VALID
    return EXPECTATION_FAILED if ended.failed else code


def _report(folder: Path, *, whole: bool) -> int:
    """Write the report of a soak and print what it found; returns the exit code."""
    from windtunnel.harness.soak.disk import told_if_full
    from windtunnel.reports.soak.build import write_soak_report

    with told_if_full(folder):
        report = write_soak_report(folder)
    for line in report.lines:
        print(printable(line))
    print(folder / "index.html")
    if not report.measured:
        return NOT_VALID
    if report.findings:
        return EXPECTATION_FAILED
    return 0 if whole else NOT_VALID


def _say_how_to_resume(folder: Path) -> None:
    print(f"to play the rest: windtunnel soak --resume {folder}", file=sys.stderr)


def _none_of(context: typer.Context, names: Collection[str], expected: str) -> None:
    """Raise an InputError for the first of these options that was given."""
    for name in given(context):
        if name in names:
            option = name.upper() if name in ARGUMENTS else "--" + name.rstrip("_").replace("_", "-")
            raise InputError(COMMAND, path=option, found=f"{context.params[name]}", expected=expected)


def _only(context: typer.Context, names: Collection[str], expected: str) -> None:
    """Raise an InputError for the first option or argument that was given and is none of these."""
    _none_of(context, [name for name in context.params if name not in names], expected)


def _length_if_given(option: str, text: str | None) -> float | None:
    return None if text is None else _length(option, text)


def _length(option: str, text: str) -> float:
    """A length of time of an option."""
    from windtunnel.mock_server.plan.units import parse_seconds

    try:
        seconds = parse_seconds(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise InputError(COMMAND, path=option, found=text, expected="a length of time, such as 8h or 30m")
    if seconds > LONGEST_S:
        expected = f"at most {LONGEST_S / 3600:,.0f} h, which is a century"
        raise InputError(COMMAND, path=option, found=text, expected=expected)
    return seconds
