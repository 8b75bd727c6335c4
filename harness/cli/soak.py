"""`windtunnel soak`: the phases of a scenario again and again, for hours: what grows, what slows down?"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from windtunnel.harness.cli.exit_codes import EXPECTATION_FAILED, NOT_VALID
from windtunnel.harness.cli.given import given
from windtunnel.harness.cli.lab import INSTALL, require_lab
from windtunnel.harness.contract.files import SOAK_KEEPS, SOAK_RUN, write_json
from windtunnel.harness.contract.text import printable
from windtunnel.harness.errors import InputError

if TYPE_CHECKING:
    from windtunnel.harness.run.progress import Reporter
    from windtunnel.harness.run.run import RunRecords
    from windtunnel.harness.soak.command import ProcessSoaked
    from windtunnel.harness.soak.options import ProcessSoak

COMMAND = "windtunnel soak"
ARGUMENTS = ("scenario", "command")
FOR_A_SERVICE = ("method", "body", "header", "pid")
FOR_A_PROCESS = (*FOR_A_SERVICE, "port", "restart")
"""The parameters that say nothing without a service to call, or without a process at all."""
LONGEST_S = 3.6e9
"""Lengths beyond it are mistakes; and what is computed of them is no number any more."""


def soak(
    context: typer.Context,
    scenario: Annotated[
        str | None,
        typer.Argument(help="A scenario of the gallery by name, or a YAML file.", show_default=False),
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            help="A program and its arguments, after `--`: the soak is in real time then.",
            metavar="-- COMMAND",
            show_default=False,
        ),
    ] = None,
    for_: Annotated[
        str | None,
        typer.Option("--for", help="How long, such as 8h: virtual time, or real time for a process."),
    ] = None,
    clients: Annotated[
        str | None,
        typer.Option(help="Client profiles (names or files), with commas between. Default: the scenario's."),
    ] = None,
    cycle: Annotated[
        str | None,
        typer.Option(help="How long all phases together last, such as 30m. Default: as in the scenario."),
    ] = None,
    incidents: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="SEED",
            help="Days with a daily curve of load in place of the phases, and random incidents: the scenario's faulty "
            "phases and the gallery's. The same SEED has the same incidents. A day lasts 24h, or --cycle.",
        ),
    ] = None,
    attach: Annotated[
        str | None,
        typer.Option(
            help="Call this URL at the scenario's rate: a service, which calls the mock.", metavar="URL"
        ),
    ] = None,
    method: Annotated[str, typer.Option(help="With --attach: the method.")] = "POST",
    body: Annotated[
        str | None,
        typer.Option(
            help="With --attach: the body, or @FILE. {{n}} is the number of the call, in the URL too."
        ),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="With --attach: a header, such as 'authorization: Bearer x'.")
    ] = None,
    port: Annotated[int, typer.Option(help="For a process: the mock's port; 0 picks a free one.")] = 0,
    pid: Annotated[
        int | None, typer.Option(help="With --attach, for a service that runs already: watch this process.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Start a program again each time that it ends.")
    ] = False,
    keep_raw: Annotated[
        str | None,
        typer.Option(
            help="How long records of single calls stay, such as 2h; figures of 10 s always do. "
            "Default: 2h for a process, else all of the soak."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where all of it goes: absent or empty. Default: a new folder in runs/."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the scenario's seed.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Clients side by side. Default: one a core.")] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help="Serve /metrics for Prometheus meanwhile, on this port of loopback; 0: any free one.",
        ),
    ] = None,
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
        raise typer.Exit(_resume(resume, jobs, metrics_port))
    if scenario is None or for_ is None:
        expected = "a scenario and --for, such as `windtunnel soak soak_24h --for 96h`, or --resume FOLDER"
        raise InputError(
            COMMAND, found=f"no {'scenario' if scenario is None else '--for'}", expected=expected
        )
    length_s, cycle_s = _length("--for", for_), None if cycle is None else _length("--cycle", cycle)
    keep_raw_s = None if keep_raw is None else _length("--keep-raw", keep_raw)
    if not command and attach is None:
        _none_of(context, FOR_A_PROCESS, "-- COMMAND or --attach URL as well: it is for a process")
        virtual = _VirtualSoak(scenario, length_s, cycle_s, incidents, clients, keep_raw_s)
        raise typer.Exit(_on_virtual_clock(virtual, out, seed, jobs, metrics_port))
    _none_of(context, ("clients",), "one of both: a process is no client of the harness")
    _none_of(context, ("jobs",), "clients on the virtual clock: a process is one alone")
    if attach is None:
        _none_of(context, FOR_A_SERVICE, "--attach URL as well: it is for a service")
    from windtunnel.harness.probe.options import ServiceCall, asked_body, asked_headers
    from windtunnel.harness.soak.options import KEEP_RAW_S, ProcessSoak

    call = None
    if attach is not None:
        text = asked_body(body, COMMAND)
        call = ServiceCall(attach, method.upper(), text, asked_headers(header or [], text, COMMAND))
    asked = ProcessSoak(
        scenario=scenario,
        for_s=length_s,
        cycle_s=cycle_s,
        incidents=incidents,
        seed=seed,
        command=tuple(command or ()),
        attach=call,
        pid=pid,
        port=port,
        keep_raw_s=KEEP_RAW_S if keep_raw_s is None else keep_raw_s,
        restart=restart,
    )
    raise typer.Exit(_of_a_process(asked, out, metrics_port))


def _of_a_process(asked: ProcessSoak, out: Path | None, metrics_port: int | None) -> int:
    """Play a process in real time and report; returns the exit code."""
    from windtunnel.harness.soak.command import begin

    return _process_report(begin(asked, out, Console(stderr=True), metrics_port))


def _process_report(soaked: ProcessSoaked) -> int:
    """Report on a soak of a process; returns the exit code."""
    from windtunnel.harness.run.terminal import outliving_the_terminal

    ended = soaked.ended
    with outliving_the_terminal():
        if ended.said:
            print(printable(f"soak: {ended.said}"), file=sys.stderr)
        code = _report(soaked.folder, whole=not ended.said)
        if ended.said:
            print(f"to play the rest: windtunnel soak --resume {soaked.folder}", file=sys.stderr)
    if ended.broken:
        return NOT_VALID
    return EXPECTATION_FAILED if ended.failed else code


def _report(folder: Path, *, whole: bool) -> int:
    """Write the report of a soak and print what it found; returns the exit code."""
    from windtunnel.reports.soak.build import write_soak_report

    report = write_soak_report(folder)
    for line in report.lines:
        print(printable(line))
    print(folder / "index.html")
    if not report.measured:
        return NOT_VALID
    if report.findings:
        return EXPECTATION_FAILED
    return 0 if whole else NOT_VALID


@dataclass(frozen=True, slots=True)
class _VirtualSoak:
    """What is to be played on the virtual clock: lengths in seconds, clients as they were named."""

    scenario: str
    for_s: float
    cycle_s: float | None
    incidents: int | None
    clients: str | None
    keep_raw_s: float | None


def _on_virtual_clock(
    asked: _VirtualSoak, out: Path | None, seed: int | None, jobs: int | None, metrics_port: int | None
) -> int:
    """Play Python clients on the virtual clock and report; returns the exit code."""
    from windtunnel.harness.inputs.gallery import load_profile
    from windtunnel.harness.run.run import RunOptions, run, run_folder
    from windtunnel.harness.soak.command import existing_part
    from windtunnel.harness.soak.cycles import check_disk
    from windtunnel.harness.soak.incidents import again_and_again

    again = again_and_again(asked.scenario, asked.for_s, asked.cycle_s, asked.incidents)
    names = [name for one in (asked.clients or "").split(",") if (name := one.strip())] or None
    for name in names or again.scenario.clients:
        load_profile(name)  # a mistake in it is told before anything is written
    where = out or Path("runs")
    check_disk(
        where,
        shutil.disk_usage(existing_part(where)).free,
        again,
        len(names or again.scenario.clients),
        asked.keep_raw_s,
    )
    folder = run_folder(out, f"soak-{again.scenario.name}")
    if asked.keep_raw_s is not None:
        write_json(folder / SOAK_KEEPS, {"keep_raw_s": asked.keep_raw_s})
    told = Console(stderr=True)
    told.print(f"soak: {again.said}", markup=False, highlight=False, soft_wrap=True)
    options = RunOptions(
        str(again.write(folder / "scenario.yaml")),
        names,
        folder / SOAK_RUN,
        jobs=jobs,
        seed=seed,
        clock="virtual",
        verify=False,
    )
    with _reporter(metrics_port) as shown:
        records = run(options, shown)
    return _run_report(folder, records)


@contextmanager
def _reporter(metrics_port: int | None) -> Iterator[Reporter]:
    """What shows how far a soak on the virtual clock is: on stderr, and on a port if one is asked for."""
    from windtunnel.harness.run.live_metrics import LiveMetrics
    from windtunnel.harness.run.progress import reporter

    inner = reporter(Console(stderr=True))
    if metrics_port is None:
        yield inner
        return
    live = LiveMetrics(metrics_port, COMMAND)
    print(f"metrics: {live.url}", file=sys.stderr, flush=True)
    try:
        yield live.watching(inner)
    finally:
        live.close()


def _run_report(folder: Path, records: RunRecords) -> int:
    """Report on a soak on the virtual clock; returns the exit code."""
    for failure in records.failures:
        print(f"not whole: {failure}", file=sys.stderr)
    code = _report(folder, whole=not records.failures)
    if records.interrupted:
        print(f"to play the rest: windtunnel soak --resume {folder}", file=sys.stderr)
    return NOT_VALID if records.failures else code


def _resume(folder: Path, jobs: int | None, metrics_port: int | None) -> int:
    """Go on with the soak in `folder`; returns the exit code."""
    from windtunnel.harness.run.run import RunOptions, resume
    from windtunnel.harness.soak.command import go_on, is_of_process

    if is_of_process(folder):
        if jobs is not None:
            expected = "clients on the virtual clock: a process is one alone"
            raise InputError(COMMAND, path="--jobs", found=f"{jobs}", expected=expected)
        return _process_report(go_on(folder, Console(stderr=True), metrics_port))
    run_folder = folder / SOAK_RUN
    if not (run_folder / "plan.json").is_file():
        found = "no such folder" if not folder.is_dir() else "a folder that no soak was begun in"
        raise InputError(folder, path="--resume", found=found, expected="the folder of a soak")
    options = RunOptions("", None, run_folder, jobs=jobs, clock="virtual", verify=False)
    with _reporter(metrics_port) as shown:
        records = resume(run_folder, options, shown)
    return _run_report(folder, records)


def _none_of(context: typer.Context, names: Collection[str], expected: str) -> None:
    """Raise an InputError for the first of these options that was given."""
    for name in given(context):
        if name in names:
            option = name.upper() if name in ARGUMENTS else "--" + name.rstrip("_").replace("_", "-")
            raise InputError(COMMAND, path=option, found=f"{context.params[name]}", expected=expected)


def _only(context: typer.Context, names: Collection[str], expected: str) -> None:
    """Raise an InputError for the first option or argument that was given and is none of these."""
    _none_of(context, [name for name in context.params if name not in names], expected)


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
