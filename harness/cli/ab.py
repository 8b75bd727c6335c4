"""`windtunnel ab`: is client B better or worse than client A?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from windtunnel.harness.cli.exit_codes import EXPECTATION_FAILED, NOT_VALID
from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.report import late_cells
from windtunnel.harness.contract.text import printable

if TYPE_CHECKING:
    from windtunnel.harness.run.run import RunOptions

NOT_PLAYED = "stopped before it began"
CODES = {"worse": EXPECTATION_FAILED, "inconclusive": NOT_VALID, "invalid": NOT_VALID}


def ab(
    scenarios: Annotated[
        list[str],
        typer.Argument(help="Scenarios of the gallery by name, or YAML files.", metavar="SCENARIO…"),
    ],
    a: Annotated[str, typer.Option("--a", help="The client that is known: a profile, by name or file.")],
    b: Annotated[str, typer.Option("--b", help="The client that is held against it.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Where all of it goes: absent or empty. Default: a new folder in runs/."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="On the virtual clock: play both with so many seeds. Default: 20."),
    ] = None,
    repeat: Annotated[
        int | None,
        typer.Option(help="In real time: play both so often, in turns. Default: 14."),
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Cells side by side. Default: as for `run`.")] = None,
    seed: Annotated[int | None, typer.Option(help="The first seed, in place of the scenario's.")] = None,
    time_scale: Annotated[
        str | None, typer.Option(help="How long a second of the incident takes, such as 1/60.")
    ] = None,
    clock: Annotated[
        Literal["auto", "virtual", "real"] | None,
        typer.Option(
            help="auto: virtual where both clients can play there, else real. Default: the scenario's own."
        ),
    ] = None,
    floor: Annotated[
        list[str] | None,
        typer.Option(
            help="The smallest difference of a metric that matters: goodput=0.02, or wait_p99_s=10%. Repeatable; "
            "those of all metrics: `windtunnel list metrics`."
        ),
    ] = None,
    python_a: Annotated[
        str | None,
        typer.Option(
            "--python-a", help="The interpreter that plays A: a path, or what `windtunnel env create` made."
        ),
    ] = None,
    python_b: Annotated[str | None, typer.Option("--python-b", help="The interpreter that plays B.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Print every metric, not only those that differ.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 also if a measurement is noisy.")] = False,
) -> None:
    """Play A and B on the same incidents, and say in which metrics B is better or worse.

    Exit status: 0 no regression, 1 worse, 2 the input is wrong, 3 not decided or not valid.
    """
    require_lab("ab")
    from windtunnel.harness.contract.floors import asked_floors
    from windtunnel.harness.inputs.time_scale import asked_time_scale
    from windtunnel.harness.run.progress import reporter
    from windtunnel.harness.run.run import run as play
    from windtunnel.harness.run.run import run_folder
    from windtunnel.harness.run.two_clients import COMMAND, AbOptions, into, runs_of, two_profiles
    from windtunnel.reports.build import write_comparison, write_report
    from windtunnel.reports.errors import ReportsError
    from windtunnel.reports.figures.two_clients import PlayedRun, compare_runs
    from windtunnel.reports.page.two_clients_forms import ab_lines

    floors = asked_floors(floor or [], COMMAND)
    options = AbOptions(
        scenarios=scenarios,
        a=a,
        b=b,
        seeds=seeds,
        repeats=repeat,
        jobs=jobs,
        seed=seed,
        time_scale=asked_time_scale(time_scale, "ab"),
        clock=clock,
    )
    clients = two_profiles(a, b, python_a, python_b)
    runs = runs_of(options, clients)
    folder = run_folder(out, f"ab-{next(iter(runs))}" if len(runs) == 1 else f"ab-{len(runs)}-scenarios")
    console = Console(stderr=True)

    stopped: list[str] = []

    def played(name: str, run: RunOptions) -> PlayedRun:
        """Play one scenario into a folder of its name, and make its report."""
        if stopped:
            return PlayedRun(scenario=name, folder=folder / name, figures=None, troubles=(NOT_PLAYED,))
        console.print(f"{name}:", highlight=False)
        records = play(into(run, folder / name), reporter(console), late_cells)
        figures, troubles = None, records.failures
        if records.interrupted:
            stopped.append(name)
        try:
            with console.status("Writing the report …") as status:
                figures = write_report(
                    records.folder,
                    on_progress=lambda done, of: status.update(f"Writing the report: {done} of {of} cells …"),
                ).figures
        except ReportsError as error:
            troubles = (*troubles, str(error))
        return PlayedRun(scenario=name, folder=records.folder, figures=figures, troubles=troubles)

    played_runs = [played(name, run) for name, run in runs.items()]
    with console.status("Comparing …"):
        found = compare_runs(played_runs, clients[0].name, clients[1].name, floors)
        words = write_comparison(folder, found)
    for line in ab_lines(words, every=every):
        print(printable(line))
    print(folder)
    # What is not valid wins over a regression, and a regression over what is not decided.
    noisy = strict and any(one.noisy for one in found.scenarios)
    raise typer.Exit(NOT_VALID if noisy else CODES.get(found.standing, 0))
