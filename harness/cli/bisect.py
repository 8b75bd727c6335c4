"""`windtunnel bisect`: which release of a package changed what a client does."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from windtunnel.harness.cli.env import Steps
from windtunnel.harness.cli.exit_codes import NOT_VALID
from windtunnel.harness.cli.groups import grouped
from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.options import OutFolder, ScenarioName, ScenarioSeed, pip_arguments
from windtunnel.harness.contract.text import printable

if TYPE_CHECKING:
    from windtunnel.harness.bisect.bisect import BisectOptions, BisectResult
    from windtunnel.harness.bisect.steps import Measured
    from windtunnel.harness.environments.interpreter import Interpreter

COMMAND = "windtunnel bisect"


@dataclass(frozen=True, slots=True)
class ReleaseOptions:
    """Which releases of what are tried, and how each is played."""

    package: Annotated[str, typer.Option(help="The package whose releases are tried.")]
    good: Annotated[str, typer.Option(help="A release that does what it should.")]
    bad: Annotated[
        str, typer.Option(help="A release that does not: a version, or newest. It may be the older one.")
    ] = "newest"
    client: Annotated[
        str | None, typer.Option(help="The client profile, by name or file. Default: the scenario's first.")
    ] = None
    metric: Annotated[
        str | None,
        typer.Option(
            help="What is followed: goodput@after, a verdict such as 'goodput@after >= 0.6', or behaviour. "
            "Default: what differs most between the two ends."
        ),
    ] = None
    requirements: Annotated[
        list[str] | None, typer.Option("--with", help="What else pip installs each time. May be repeated.")
    ] = None
    python: Annotated[
        str | None,
        typer.Option(
            help="An interpreter that has windtunnel, or the name of an environment. Default: this one."
        ),
    ] = None
    out: OutFolder = None
    seed: ScenarioSeed = None
    seeds: Annotated[
        int | None, typer.Option(help="Play each release with so many seeds, and compare their means.")
    ] = None
    jobs: Annotated[int | None, typer.Option(help="Cells side by side, of one release.")] = None
    most: Annotated[int, typer.Option(help="Releases that are tried at most, both ends included.")] = 40
    floor: Annotated[
        list[str] | None,
        typer.Option(help="The smallest difference of a metric that matters, as for `ab`: goodput=0.02."),
    ] = None
    pip_args: Annotated[
        str, typer.Option(help="More arguments for pip, such as '--no-index --find-links DIR'.")
    ] = ""

    def asked(self, scenario: str) -> BisectOptions:
        """What is searched. Raises InputError for an option that is wrong."""
        from windtunnel.harness.bisect.bisect import BisectOptions
        from windtunnel.harness.contract.floors import asked_floors
        from windtunnel.harness.contract.metrics import METRICS

        floors = {name: one.floor for name, one in METRICS.items()} | asked_floors(self.floor or [], COMMAND)
        return BisectOptions(
            scenario=scenario,
            package=self.package,
            good=self.good,
            bad=self.bad,
            base=self._base(),
            client=self.client,
            metric=self.metric,
            requirements=tuple(self.requirements or ()),
            pip_arguments=pip_arguments(COMMAND, self.pip_args),
            out=self.out,
            seed=self.seed,
            seeds=self.seeds,
            jobs=self.jobs,
            most=self.most,
            floors=floors,
        )

    def _base(self) -> Interpreter:
        """The interpreter that every environment is made from."""
        from windtunnel.harness.environments.interpreter import InterpreterError, ask, ours
        from windtunnel.harness.environments.pythons import base_python

        try:
            return ours() if self.python is None else ask(base_python(self.python, Path.cwd()))
        except InterpreterError as error:
            raise error.told(COMMAND, "--python") from error


@grouped
def bisect(scenario: ScenarioName, releases: ReleaseOptions) -> None:
    """Find the release of a package that changed what a client does in SCENARIO, on the virtual clock.

    Exit status: 0 the search is complete, 2 the input is wrong, 3 something could not be tried.
    """
    require_lab("bisect")
    from windtunnel.harness.bisect.tell import lines_of, write

    result = _search(releases.asked(scenario))
    write(result)
    for line in lines_of(result):
        print(printable(line))
    print(result.folder)
    raise typer.Exit(0 if result.whole else NOT_VALID)


def _search(options: BisectOptions) -> BisectResult:
    """Search, and show how far it is: what is found as lines, what is done for it as steps."""
    from windtunnel.harness.bisect.bisect import Bisect
    from windtunnel.harness.bisect.quiet import QuietReporter

    console = Console(stderr=True)
    with Steps() as steps:

        def say(line: str) -> None:
            if line.startswith("  "):
                steps.say(line.strip())
            else:
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        return Bisect(options, _measure, QuietReporter(lambda line: say(f"  {line}")), say).run()


def _measure(folder: Path) -> Measured:
    """The figures of a run of one client."""
    from windtunnel.harness.bisect.steps import Measured
    from windtunnel.reports.build import figures_of
    from windtunnel.reports.errors import ReportsError

    try:
        figures = figures_of(folder)
    except ReportsError as error:
        return Measured("", {}, str(error))
    (client,) = figures.clients.values()
    names: dict[str, tuple[str, str | None]] = {name: (name, None) for name in client.overall}
    names |= {f"{name}@{phase}": (name, phase) for phase, own in client.phases.items() for name in own}
    digests = " ".join(str(cell.digest) for cell in figures.cells)
    trouble = "none of its requests reached the mock" if not client.measured else ""
    if figures.state == "invalid":
        trouble = "; ".join(check.sentence for check in figures.checks if check.state == "invalid")
    if client.errors and not client.measured:
        trouble += f": {client.errors[0].type}: {client.errors[0].message}"
    return Measured(
        blake2b(digests.encode(), digest_size=16).hexdigest(),
        {name: client.number(metric, phase) for name, (metric, phase) in names.items()},
        trouble,
    )
