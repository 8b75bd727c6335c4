"""`windtunnel replay`: show what happened to one call of a run on the virtual clock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from windtunnel.harness.cli.lab import require_lab


def replay(
    run_dir: Annotated[Path, typer.Argument(help="A run directory, of a run with --clock virtual.")],
    call: Annotated[str, typer.Option(help="The call's id, as calls.parquet and the report have it.")],
    client: Annotated[
        str | None, typer.Option(help="The client's name; not needed where there is one.")
    ] = None,
    repeat: Annotated[int | None, typer.Option(help="The number of the repeat, from 0.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every event with all details, as JSON.")] = False,
) -> None:
    """Play a cell of RUN_DIR again up to one call's end, and tell what happened to that call."""
    require_lab("replay")
    from windtunnel.harness.replay.command import replay_command

    raise typer.Exit(replay_command(run_dir, call, client=client, repeat=repeat, as_json_text=as_json))
