"""`windtunnel probe`: what a program that knows nothing of windtunnel does to a misbehaving provider."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windtunnel.harness.cli.groups import grouped
from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.options import ServiceOptions


@grouped
def probe(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            help="The program and its arguments, after `--`.", metavar="-- COMMAND", show_default=False
        ),
    ] = None,
    scenario: Annotated[str, typer.Option(help="A scenario's name or file.")] = "server_errors",
    *,
    service: ServiceOptions,
    min_certainty: Annotated[
        float | None, typer.Option(help="Exit 3 if calls are told apart with less certainty (0 to 1).")
    ] = None,
    for_: Annotated[
        float | None,
        typer.Option(
            "--for", help="End it after so many seconds. Default: the scenario's length, and a minute."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder to write; default: a new one in runs/.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of the faults; default: the scenario's.")] = None,
    time_scale: Annotated[
        str | None, typer.Option(help="How long a second of the scenario takes, such as 1/6.")
    ] = None,
    port: Annotated[int, typer.Option(help="The mock's port; 0 picks a free one.")] = 0,
) -> None:
    """Start a program whose OPENAI_BASE_URL is the mock, and tell what it does, from the server's side alone."""
    require_lab("probe")
    from windtunnel.harness.inputs.time_scale import asked_time_scale
    from windtunnel.harness.probe.command import probe_command
    from windtunnel.harness.probe.options import COMMAND, ProbeOptions

    options = ProbeOptions(
        scenario=scenario,
        command=tuple(command or ()),
        attach=service.call(COMMAND),
        min_certainty=min_certainty,
        length_s=for_,
        out=out,
        seed=seed,
        time_scale=asked_time_scale(time_scale, "probe"),
        port=port,
    )
    raise typer.Exit(probe_command(options))
