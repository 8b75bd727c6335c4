"""`windtunnel run`: play a scenario against clients, and report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from windtunnel.harness.cli.both import run_both
from windtunnel.harness.cli.groups import grouped
from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.options import Check, ScenarioSeed, Strict, metrics_port_option
from windtunnel.harness.cli.progress import reporters
from windtunnel.harness.cli.report import late_cells, make_report
from windtunnel.harness.cli.resumed import resume_run
from windtunnel.harness.cli.several import Ended, play_both, run_several, say_left_out
from windtunnel.harness.cli.trace import ScaledTraceOptions
from windtunnel.harness.contract.cells import names_of

if TYPE_CHECKING:
    from windtunnel.harness.inputs.traces.settings import TrafficTrace
    from windtunnel.harness.run.everybody import LeftOut
    from windtunnel.harness.run.progress import Reporter
    from windtunnel.harness.run.run import RunOptions, RunRecords


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """Who plays, how often, and on which clock."""

    clients: Annotated[
        str | None,
        typer.Option(
            help="Client profiles (names or files), with commas between. "
            "all: every one of the gallery that can be played here."
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            help="The run directory: absent or empty. Default: a new one in runs/. "
            "Of several scenarios, each gets a folder of its name in it."
        ),
    ] = None
    repeat: Annotated[
        int | None, typer.Option(help="Play every client this often, each time with another seed.")
    ] = None
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Cells side by side. Default: one a core on the virtual clock; as measured in real time."
        ),
    ] = None
    seed: ScenarioSeed = None
    processes: Annotated[
        int | None, typer.Option(help="Load processes per cell, at most one per instance.")
    ] = None
    time_scale: Annotated[
        str | None,
        typer.Option(
            help="How long a second of the incident takes, such as 1/60. Default: the scenario's own."
        ),
    ] = None
    clock: Annotated[
        Literal["auto", "virtual", "real", "both"] | None,
        typer.Option(
            help="virtual: time jumps, bit for bit reproducible; real: sockets, processes, Locust. "
            "both: one after the other, and how far they agree. "
            "Default: the scenario's own; auto: virtual where all clients can play there."
        ),
    ] = None
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Play every client with so many seeds, counting up from --seed: one report over all. "
            "Needs the virtual clock."
        ),
    ] = None
    path: Annotated[
        str | None,
        typer.Option(
            help="A gateway between client and provider: litellm, portkey, NAME of gateways/NAME.yaml, or a file; "
            "direct: none. Default: the scenario's own path."
        ),
    ] = None

    @property
    def names(self) -> list[str] | None:
        """The clients as they were named, such as `all`; None leaves them to the scenario."""
        return (names_of(self.clients) or None) if self.clients else None

    def asked(self, clients: Sequence[str] | None, trace: TrafficTrace | None, *, verify: bool) -> RunOptions:
        """A run of these clients whose scenario is not known yet. Raises InputError for an option that is wrong."""
        from windtunnel.harness.inputs.gateway import asked_path
        from windtunnel.harness.inputs.time_scale import asked_time_scale
        from windtunnel.harness.run.run import RunOptions

        return RunOptions(
            "",
            clients,
            self.out,
            self.repeat,
            self.jobs,
            self.seed,
            self.processes,
            asked_time_scale(self.time_scale, "run"),
            None if self.clock == "both" else self.clock,
            self.seeds,
            verify=True if verify else None,
            path=None if self.path is None else asked_path(self.path),
            trace=trace,
        )


@grouped
def run(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SCENARIO...",
            help="A scenario of the gallery by name, a YAML file, or a run's plan.json.",
        ),
    ] = None,
    *,
    playing: PlayOptions,
    trace: ScaledTraceOptions,
    metrics_port: Annotated[int | None, metrics_port_option("while the run is played")] = None,
    check: Check = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Play every client twice on the virtual clock; nothing is claimed where they differ.",
        ),
    ] = False,
    strict: Strict = False,
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
    from windtunnel.harness.run.everybody import expand

    clients, left_out = expand(playing.names)
    options = playing.asked(clients, trace.asked("run"), verify=verify)
    with reporters(metrics_port, "windtunnel run") as new_reporter:
        player = _Player(new_reporter, check=check, strict=strict)
        if resume is not None:
            code = resume_run(resume, scenarios or [], options, player.go_on, clock=playing.clock)
        else:
            code = _play(scenarios or [], options, playing, left_out, player)
    raise typer.Exit(code)


def _play(
    scenarios: Sequence[str],
    options: RunOptions,
    playing: PlayOptions,
    left_out: Sequence[LeftOut],
    player: _Player,
) -> int:
    """Play one scenario or several, on one clock or on both; returns the exit code."""
    from windtunnel.harness.run.everybody import those_that_go

    both = playing.clock == "both"
    if len(scenarios) > 1:
        if both:
            return play_both(options, scenarios, player.on_both)
        return run_several(options, scenarios, player.go_on, asked=playing.names, left_out=left_out)
    one, without = those_that_go(replace(options, scenario=scenarios[0]), playing.names)
    say_left_out([*left_out, *without])
    return player.on_both(one) if both else player.play(one).code


@dataclass(frozen=True, slots=True)
class _Player:
    """Plays runs, and reports on each."""

    new_reporter: Callable[[], Reporter]
    check: bool
    strict: bool

    def play(self, options: RunOptions) -> Ended:
        """Play a run from its start."""
        from windtunnel.harness.run.run import run

        return self._report(run(options, self.new_reporter(), late_cells))

    def go_on(self, options: RunOptions) -> Ended:
        """Play what is missing of the run whose plan is in `options.out`."""
        from windtunnel.harness.run.run import resume

        assert options.out is not None
        return self._report(resume(options.out, options, self.new_reporter(), late_cells))

    def on_both(self, options: RunOptions) -> int:
        """Play a run on both clocks; returns the exit code."""
        return run_both(options, lambda one: self.play(one).code)

    def _report(self, records: RunRecords) -> Ended:
        for failure in records.failures:
            print(f"not whole: {failure}", file=sys.stderr)
        code = make_report(records.folder, check=self.check, whole=not records.failures, strict=self.strict)
        if records.interrupted:
            print(f"to play the rest: windtunnel run --resume {records.folder}", file=sys.stderr)
        return Ended(code, records.interrupted)
