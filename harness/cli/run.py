"""`windtunnel run`: play a scenario against clients, and report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from windtunnel.harness.cli.both import run_both
from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.report import late_cells, make_report
from windtunnel.harness.cli.several import run_several


def run(
    scenarios: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENARIO...",
            help="A scenario of the gallery by name, a YAML file, or a run's plan.json.",
        ),
    ],
    clients: Annotated[
        str | None, typer.Option(help="Client profiles (names or files), with commas between.")
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
) -> None:
    """Play each SCENARIO against each client, cells side by side, and write the report."""
    require_lab("run")
    from windtunnel.harness.inputs.time_scale import asked_time_scale
    from windtunnel.harness.run.progress import reporter
    from windtunnel.harness.run.run import RunOptions
    from windtunnel.harness.run.run import run as run_scenario

    names = [name.strip() for name in clients.split(",") if name.strip()] if clients else None
    options = RunOptions(
        scenarios[0],
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
    )

    def play(options: RunOptions) -> int:
        records = run_scenario(options, reporter(Console(stderr=True)), late_cells)
        for failure in records.failures:
            print(f"not whole: {failure}", file=sys.stderr)
        return make_report(records.folder, check=check, whole=not records.failures, strict=strict)

    def play_one(options: RunOptions) -> int:
        return run_both(options, play) if clock == "both" else play(options)

    raise typer.Exit(play_one(options) if len(scenarios) == 1 else run_several(options, scenarios, play_one))
