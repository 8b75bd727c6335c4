"""`windtunnel ab`: is client B better or worse than client A?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from windtunnel.harness.cli.exit_codes import EXPECTATION_FAILED, NOT_VALID
from windtunnel.harness.cli.groups import grouped
from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.options import OutFolder, StrictOfSeveral
from windtunnel.harness.cli.report import late_cells, write_shown
from windtunnel.harness.contract.text import printable

if TYPE_CHECKING:
    from windtunnel.harness.run.run import RunOptions, RunRecords
    from windtunnel.harness.run.two_clients import AbOptions
    from windtunnel.reports.figures.two_clients import PlayedRun

NOT_PLAYED = "stopped before it began"
CODES = {"worse": EXPECTATION_FAILED, "inconclusive": NOT_VALID, "invalid": NOT_VALID}


@dataclass(frozen=True, slots=True)
class TwoClientsOptions:
    """Which two clients, and how they are played and compared."""

    a: Annotated[str, typer.Option("--a", help="The client that is known: a profile, by name or file.")]
    b: Annotated[str, typer.Option("--b", help="The client that is held against it.")]
    out: OutFolder = None
    seeds: Annotated[
        int | None,
        typer.Option(help="On the virtual clock: play both with so many seeds. Default: 20."),
    ] = None
    repeat: Annotated[
        int | None,
        typer.Option(help="In real time: play both so often, in turns. Default: 14."),
    ] = None
    jobs: Annotated[int | None, typer.Option(help="Cells side by side. Default: as for `run`.")] = None
    seed: Annotated[int | None, typer.Option(help="The first seed, in place of the scenario's.")] = None
    time_scale: Annotated[
        str | None, typer.Option(help="How long a second of the incident takes, such as 1/60.")
    ] = None
    clock: Annotated[
        Literal["auto", "virtual", "real"] | None,
        typer.Option(
            help="auto: virtual where both clients can play there, else real. Default: the scenario's own."
        ),
    ] = None
    floor: Annotated[
        list[str] | None,
        typer.Option(
            help="The smallest difference of a metric that matters: goodput=0.02, or wait_p99_s=10%. Repeatable; "
            "those of all metrics: `windtunnel list metrics`."
        ),
    ] = None
    python_a: Annotated[
        str | None,
        typer.Option(
            "--python-a", help="The interpreter that plays A: a path, or what `windtunnel env create` made."
        ),
    ] = None
    python_b: Annotated[str | None, typer.Option("--python-b", help="The interpreter that plays B.")] = None

    def asked(self, scenarios: list[str]) -> AbOptions:
        """What is played. Raises InputError for an option that is wrong."""
        from windtunnel.harness.inputs.time_scale import asked_time_scale
        from windtunnel.harness.run.two_clients import AbOptions

        return AbOptions(
            scenarios=scenarios,
            a=self.a,
            b=self.b,
            seeds=self.seeds,
            repeats=self.repeat,
            jobs=self.jobs,
            seed=self.seed,
            time_scale=asked_time_scale(self.time_scale, "ab"),
            clock=self.clock,
        )


@grouped
def ab(
    scenarios: Annotated[
        list[str],
        typer.Argument(help="Scenarios of the gallery by name, or YAML files.", metavar="SCENARIO…"),
    ],
    two: TwoClientsOptions,
    every: Annotated[
        bool, typer.Option("--all", help="Print every metric, not only those that differ.")
    ] = False,
    strict: StrictOfSeveral = False,
) -> None:
    """Play A and B on the same incidents, and say in which metrics B is better or worse.

    Exit status: 0 no regression, 1 worse, 2 the input is wrong, 3 not decided or not valid.
    """
    require_lab("ab")
    from windtunnel.harness.contract.floors import asked_floors
    from windtunnel.harness.run.run import run_folder
    from windtunnel.harness.run.two_clients import COMMAND, runs_of, two_profiles
    from windtunnel.reports.build import write_comparison
    from windtunnel.reports.figures.two_clients import compare_runs
    from windtunnel.reports.page.two_clients_forms import ab_lines

    floors = asked_floors(two.floor or [], COMMAND)
    options = two.asked(scenarios)
    clients = two_profiles(two.a, two.b, two.python_a, two.python_b)
    runs = runs_of(options, clients)
    folder = run_folder(two.out, f"ab-{next(iter(runs))}" if len(runs) == 1 else f"ab-{len(runs)}-scenarios")
    console = Console(stderr=True)
    played = _play_all(runs, folder, console)
    with console.status("Comparing …"):
        found = compare_runs(played, clients[0].name, clients[1].name, floors)
        words = write_comparison(folder, found)
    for line in ab_lines(words, every=every):
        print(printable(line))
    print(folder)
    # What is not valid wins over a regression, and a regression over what is not decided.
    noisy = strict and any(one.noisy for one in found.scenarios)
    raise typer.Exit(NOT_VALID if noisy else CODES.get(found.standing, 0))


def _play_all(runs: Mapping[str, RunOptions], folder: Path, console: Console) -> list[PlayedRun]:
    """Play each scenario into a folder of its name, and report on it; none after one that was stopped."""
    from windtunnel.harness.run.progress import reporter
    from windtunnel.harness.run.run import run as play
    from windtunnel.harness.run.two_clients import into
    from windtunnel.reports.figures.two_clients import PlayedRun

    played: list[PlayedRun] = []
    stopped = False
    for name, run in runs.items():
        if stopped:
            played.append(
                PlayedRun(scenario=name, folder=folder / name, figures=None, troubles=(NOT_PLAYED,))
            )
            continue
        console.print(f"{name}:", highlight=False)
        records = play(into(run, folder / name), reporter(console), late_cells)
        stopped = records.interrupted
        played.append(_report(name, records, console))
    return played


def _report(scenario: str, records: RunRecords, console: Console) -> PlayedRun:
    """Make the report of one scenario; what keeps it from being made is a trouble of the run."""
    from windtunnel.reports.errors import ReportsError
    from windtunnel.reports.figures.two_clients import PlayedRun

    figures, troubles = None, records.failures
    try:
        figures = write_shown(records.folder, console).figures
    except ReportsError as error:
        troubles = (*troubles, str(error))
    return PlayedRun(scenario=scenario, folder=records.folder, figures=figures, troubles=troubles)
