"""`windtunnel capacity`: the largest offered rate at which a client keeps an SLO."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from windtunnel.harness.cli.env import Steps
from windtunnel.harness.cli.exit_codes import EXPECTATION_FAILED, NOT_VALID, worst
from windtunnel.harness.cli.given import given
from windtunnel.harness.cli.groups import grouped
from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.options import ScenarioName, ScenarioSeed
from windtunnel.harness.cli.trace import TraceOptions
from windtunnel.harness.contract.text import printable
from windtunnel.harness.contract.units import quantity
from windtunnel.harness.errors import InputError

if TYPE_CHECKING:
    from windtunnel.harness.capacity.capacity import CapacityOptions
    from windtunnel.harness.contract.capacity import CapacityStatus, TokenPrice
    from windtunnel.harness.inputs.load import ClockName
    from windtunnel.reports.capacity.plan import CapacityReport

COMMAND = "windtunnel capacity"
CODES: dict[CapacityStatus, int] = {
    "found": 0,
    "unattainable": EXPECTATION_FAILED,
    "out of reach": NOT_VALID,
    "unresolved": NOT_VALID,
}


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What must hold, of which clients, and how far and how near the largest rate is searched."""

    slo: Annotated[
        str,
        typer.Option(
            help="What must hold: expectations with commas between, such as 'ttft_p95_s <= 2, goodput >= 0.99'."
        ),
    ]
    clients: Annotated[
        str | None,
        typer.Option(help="Profiles, by name or file, with commas between. Default: the scenario's."),
    ] = None
    today: Annotated[str | None, typer.Option(help="Today's rate, such as 5/s: what headroom it leaves.")] = (
        None
    )
    target: Annotated[
        str | None,
        typer.Option(
            help="A rate to plan for, such as 20/s: the quota, keys, pool and concurrency that it needs."
        ),
    ] = None
    price: Annotated[
        str | None,
        typer.Option(
            help="US dollars for a million prompt tokens and a million answer tokens, such as 0.40,1.60. "
            "Default: the scenario's prices; without any the cost is told in tokens."
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(help="Where the answer goes: absent or empty. Default: a new folder in runs/."),
    ] = None
    seed: ScenarioSeed = None
    clock: Annotated[
        str, typer.Option(help="virtual, or real: for programs; a level then takes as long as it lasts.")
    ] = "virtual"
    within: Annotated[
        float, typer.Option(help="How near the safe rate is to be known, as a share of it.")
    ] = 0.05
    most: Annotated[str, typer.Option(help="The largest rate that is tried.")] = "1000/s"
    sweep: Annotated[
        bool,
        typer.Option(
            "--sweep", help="Also rates around the safe one, up and down again in one play, for hysteresis."
        ),
    ] = False
    during: Annotated[
        str | None,
        typer.Option(
            metavar="PHASE[=LENGTH]",
            help="Also the rate that survives a phase of the scenario, such as brownout=15s: every level goes "
            "through it, and the SLO must hold again afterwards.",
        ),
    ] = None
    recovery: Annotated[
        str, typer.Option(help="With --during: how long a client has to recover, before the SLO counts.")
    ] = "30s"
    lose: Annotated[
        str | None,
        typer.Option(
            metavar="REGION[=refused|silent]",
            help="Also the rate that is safe with a region gone (N - 1), beside the one with all of them.",
        ),
    ] = None

    def asked(self, scenario: str, trace: TraceOptions) -> CapacityOptions:
        """What is searched. Raises InputError for an option that is wrong."""
        from windtunnel.harness.capacity.capacity import CapacityOptions

        if self.clock not in ("virtual", "real"):
            raise InputError(COMMAND, path="--clock", found=f"'{self.clock}'", expected="'virtual' or 'real'")
        return CapacityOptions(
            scenario=scenario,
            slo=self.slo,
            clients=None if self.clients is None else [name.strip() for name in self.clients.split(",")],
            today=None if self.today is None else _rate("--today", self.today),
            target=None if self.target is None else _rate("--target", self.target),
            price=None if self.price is None else _price(self.price),
            seed=self.seed,
            clock=cast("ClockName", self.clock),
            within=self.within,
            most=_rate("--most", self.most),
            sweep=self.sweep,
            during=self.during,
            lose=self.lose,
            recovery_s=_seconds("--recovery", self.recovery),
            trace=trace.asked("capacity"),
        )


@grouped
def capacity(
    context: typer.Context, scenario: ScenarioName, search: SearchOptions, trace: TraceOptions
) -> None:
    """Find the largest offered rate at which clients keep an SLO: from 1/s on it doubles, then it bisects.

    Exit status: 0 found, 1 unattainable (even 1/s breaks the SLO), 2 the input is wrong, 3 out of reach or unresolved.
    """
    require_lab("capacity")
    from windtunnel.reports.capacity.answer import lines_of
    from windtunnel.reports.capacity.write import write_capacity

    if search.during is None and "recovery" in given(context):
        expected = "--during PHASE as well: it is the time to recover from that"
        raise InputError(COMMAND, path="--recovery", found=search.recovery, expected=expected)
    folder, found = _search(search.asked(scenario, trace), search.out)
    write_capacity(folder, found)
    for line in lines_of(found):
        print(printable(line))
    print(folder)
    raise typer.Exit(worst(CODES[one.status] for one in found.clients))


def _search(options: CapacityOptions, out: Path | None) -> tuple[Path, CapacityReport]:
    """Search, and show how far it is; gives the folder, and what was found with what it needs."""
    from windtunnel.harness.bisect.quiet import QuietReporter
    from windtunnel.harness.capacity.capacity import CapacitySearch
    from windtunnel.harness.run.run import run_folder
    from windtunnel.reports.capacity.measure import measure_level
    from windtunnel.reports.capacity.plan import planned

    console = Console(stderr=True)
    with Steps() as steps:
        search = CapacitySearch(
            options,
            measure_level,
            QuietReporter(steps.say),
            lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
        )
        folder = run_folder(out, f"capacity-{search.scenario.name}")
        return folder, planned(search.run(folder))


def _price(text: str) -> TokenPrice:
    """Two prices with a comma between. Raises InputError for anything else."""
    from windtunnel.harness.contract.capacity import TokenPrice

    try:
        prompt, answer = (float(part) for part in text.split(","))
    except ValueError:
        prompt = answer = -1.0
    if not (0 <= prompt < math.inf and 0 <= answer < math.inf):
        expected = "US dollars for a million prompt tokens and a million answer tokens, such as 0.40,1.60"
        raise InputError(COMMAND, path="--price", found=f"'{text}'", expected=expected)
    return TokenPrice(prompt, answer, "--price")


def _seconds(option: str, text: str) -> float:
    """A length of time, zero included. Raises InputError for anything else."""
    from windtunnel.mock_server.plan.units import parse_seconds

    try:
        return parse_seconds(text)
    except ValueError:
        expected = "a length of time with its unit, such as 30s"
        raise InputError(COMMAND, path=option, found=f"'{text}'", expected=expected) from None


def _rate(option: str, text: str) -> float:
    """Calls per second. Raises InputError for anything else."""
    try:
        rate = quantity(text) if "/" in text else 0.0
    except ValueError:
        rate = 0.0
    if not rate > 0:
        expected = "a rate above zero with its unit, such as 5/s or 300/min"
        raise InputError(COMMAND, path=option, found=f"'{text}'", expected=expected)
    return rate
