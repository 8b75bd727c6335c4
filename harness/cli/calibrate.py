"""`windtunnel calibrate`: measure windtunnel itself on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from windtunnel.harness.cli.lab import require_lab


def calibrate(
    as_json: Annotated[bool, typer.Option("--json", help="The findings as JSON on stdout.")] = False,
    long: Annotated[
        bool,
        typer.Option(
            "--long", help="Also what takes its time: memory, a virtual day, verdicts on both clocks."
        ),
    ] = False,
    peers: Annotated[
        Path | None,
        typer.Option(help="Also beside aimock and llmock, where they are installed in this folder."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="These alone, with commas between: server, tokens, harness, rules, virtual, peers, memory, report, "
            "policies, links."
        ),
    ] = None,
    fidelity: Annotated[
        bool,
        typer.Option(
            "--fidelity", help="How true the virtual clock is: the same on both clocks. Nothing else."
        ),
    ] = False,
) -> None:
    """Measure how fast and how true windtunnel is on this machine, each figure beside its yardstick."""
    require_lab("calibrate")
    from windtunnel.harness.calibrate.command import measure_all
    from windtunnel.harness.calibrate.finding import as_json as findings_as_json
    from windtunnel.harness.calibrate.finding import show

    progress = Console(stderr=True)
    findings, machine = measure_all(
        long=long,
        on_progress=lambda message: progress.print(message, style="dim", highlight=False),
        only=[
            *([name.strip() for name in only.split(",")] if only else []),
            *(["fidelity"] if fidelity else []),
        ],
        peers=peers,
    )
    if as_json:
        print(json.dumps(findings_as_json(findings, machine), indent=1))
    else:
        show(findings, Console(width=140) if not sys.stdout.isatty() else Console())
