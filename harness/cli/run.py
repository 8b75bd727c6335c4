"""`windtunnel run`: play a scenario against clients, and report."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from windtunnel.harness.cli.both import run_both
from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.report import late_cells, make_report
from windtunnel.harness.cli.resumed import resume_run
from windtunnel.harness.cli.several import Ended, play_both, run_several, say_left_out
from windtunnel.harness.cli.trace import (
    AnswerTokensColumn,
    PromptTokensColumn,
    SkipBadRows,
    TimeColumn,
    TimeUnitName,
    TimeZoneName,
    TraceFactor,
    TraceFile,
    TraceFormatName,
    TraceRows,
    asked_trace,
)
from windtunnel.harness.contract.cells import names_of

if TYPE_CHECKING:
    from windtunnel.harness.run.progress import Reporter


def run(
    context: typer.Context,
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SCENARIO...",
            help="A scenario of the gallery by name, a YAML file, or a run's plan.json.",
        ),
    ] = None,
    clients: Annotated[
        str | None,
        typer.Option(
            help="Client profiles (names or files), with commas between. "
            "all: every one of the gallery that can be played here."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The run directory: absent or empty. Default: a new one in runs/. "
            "Of several scenarios, each gets a folder of its name in it."
        ),
    ] = None,
    repeat: Annotated[
        int | None, typer.Option(help="Play every client this often, each time with another seed.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Cells side by side. Default: one a core on the virtual clock; as measured in real time."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the scenario's seed.")] = None,
    processes: Annotated[
        int | None, typer.Option(help="Load processes per cell, at most one per instance.")
    ] = None,
    time_scale: Annotated[
        str | None,
        typer.Option(
            help="How long a second of the incident takes, such as 1/60. Default: the scenario's own."
        ),
    ] = None,
    clock: Annotated[
        Literal["auto", "virtual", "real", "both"] | None,
        typer.Option(
            help="virtual: time jumps, bit for bit reproducible; real: sockets, processes, Locust. "
            "both: one after the other, and how far they agree. "
            "Default: the scenario's own; auto: virtual where all clients can play there."
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Play every client with so many seeds, counting up from --seed: one report over all. "
            "Needs the virtual clock."
        ),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            help="A gateway between client and provider: litellm, portkey, NAME of gateways/NAME.yaml, or a file; "
            "direct: none. Default: the scenario's own path."
        ),
    ] = None,
    trace: TraceFile = None,
    trace_format: TraceFormatName = None,
    time_column: TimeColumn = None,
    prompt_tokens_column: PromptTokensColumn = None,
    answer_tokens_column: AnswerTokensColumn = None,
    time_unit: TimeUnitName = None,
    time_zone: TimeZoneName = None,
    trace_rows: TraceRows = None,
    trace_factor: TraceFactor = None,
    skip_bad_rows: SkipBadRows = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help="Serve /metrics for Prometheus while the run is played, on this port of loopback; 0: any free one.",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Exit 1 if an expectation of the scenario fails, 3 if one is undecided."
        ),
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Play every client twice on the virtual clock; nothing is claimed where they differ.",
        ),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 3 also if the measurement is noisy.")
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN_DIR",
            help="Play only what is missing of a run that was broken off, of one scenario or of several. "
            "SCENARIO and options may be left out; given, they must lead to the same run.",
        ),
    ] = None,
) -> None:
    """Play each SCENARIO against each client, cells side by side, and write the report."""
    require_lab("run")
    if not scenarios and resume is None:
        told = "name at least one (`windtunnel list scenarios`), or a run to go on with: --resume RUN_DIR"
        raise typer.BadParameter(told, param_hint="SCENARIO...")
    from windtunnel.harness.inputs.gateway import asked_path
    from windtunnel.harness.inputs.time_scale import asked_time_scale
    from windtunnel.harness.run import run as playing
    from windtunnel.harness.run.everybody import expand, those_that_go

    asked = (names_of(clients) or None) if clients else None
    names, left_out = expand(asked)
    options = playing.RunOptions(
        "",
        names,
        out,
        repeat,
        jobs,
        seed,
        processes,
        asked_time_scale(time_scale, "run"),
        None if clock == "both" else clock,
        seeds,
        verify=True if verify else None,
        path=None if path is None else asked_path(path),
        trace=asked_trace(
            "run",
            trace,
            format=trace_format,
            time_column=time_column,
            prompt_tokens_column=prompt_tokens_column,
            answer_tokens_column=answer_tokens_column,
            time_unit=time_unit,
            time_zone=time_zone,
            rows=trace_rows,
            factor=trace_factor,
            skip_bad_rows=skip_bad_rows,
        ),
    )

    new_reporter = _reporters(context, metrics_port)

    def report_on(records: playing.RunRecords) -> Ended:
        for failure in records.failures:
            print(f"not whole: {failure}", file=sys.stderr)
        code = make_report(records.folder, check=check, whole=not records.failures, strict=strict)
        if records.interrupted:
            print(f"to play the rest: windtunnel run --resume {records.folder}", file=sys.stderr)
        return Ended(code, records.interrupted)

    def play(options: playing.RunOptions) -> Ended:
        return report_on(playing.run(options, new_reporter(), late_cells))

    def go_on(options: playing.RunOptions) -> Ended:
        assert options.out is not None
        return report_on(playing.resume(options.out, options, new_reporter(), late_cells))

    def on_both(options: playing.RunOptions) -> int:
        return run_both(options, lambda one: play(one).code)

    if resume is not None:
        raise typer.Exit(resume_run(resume, scenarios or [], options, go_on, clock=clock))
    assert scenarios is not None
    if len(scenarios) > 1:
        several = play_both(options, scenarios, on_both) if clock == "both" else None
        if several is None:
            several = run_several(options, scenarios, go_on, asked=asked, left_out=left_out)
        raise typer.Exit(several)
    one, without = those_that_go(replace(options, scenario=scenarios[0]), asked)
    say_left_out([*left_out, *without])
    if clock == "both":
        raise typer.Exit(on_both(one))
    ended = play(one)
    raise typer.Exit(ended.code)


def _reporters(context: typer.Context, metrics_port: int | None) -> Callable[[], Reporter]:
    """Makes what shows how far a run is: on stderr, and on a port if one is asked for, until the command ends."""
    from windtunnel.harness.run.progress import reporter

    if metrics_port is None:
        return lambda: reporter(Console(stderr=True))
    from windtunnel.harness.run.live_metrics import LiveMetrics

    live = LiveMetrics(metrics_port)
    context.call_on_close(live.close)
    print(f"metrics: {live.url}", file=sys.stderr, flush=True)
    return lambda: live.watching(reporter(Console(stderr=True)))
