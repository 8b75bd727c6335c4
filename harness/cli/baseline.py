"""`windtunnel baseline write`: keep what a run came to, so that later runs are compared with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from windtunnel.harness.cli.exit_codes import INPUT_WRONG, NOT_VALID
from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.options import OnlyClients
from windtunnel.harness.cli.outputs import require_writable, write_file
from windtunnel.harness.contract.text import printable

baseline = typer.Typer(help="Keep what a run came to, for `check --baseline`.", no_args_is_help=True)

ENOUGH_SEEDS = 20
"""As many as `ab` plays: enough to tell a difference from chance over all metrics of a few clients."""


@baseline.callback()
def _baseline() -> None:
    """Keep what a run came to, for `check --baseline`."""


@baseline.command("write")
def write(
    run_dir: Annotated[Path, typer.Argument(help="The run directory.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="The file: it is replaced if it is there. Commit it.")
    ],
    clients: OnlyClients = None,
) -> None:
    """Write metrics with intervals, values by seed, digests and versions of RUN_DIR to a small file."""
    require_lab("baseline")
    require_writable({"--out": out})
    from windtunnel.harness.cli.check import names_in
    from windtunnel.reports.check.base import CheckOptions, measured_base
    from windtunnel.reports.check.baseline import as_text, baseline_of
    from windtunnel.reports.check.expected import troubles_of
    from windtunnel.reports.check.model import CheckedRun

    base = measured_base(run_dir, CheckOptions(clients=names_in(clients)))
    if isinstance(base, CheckedRun):
        _refuse(base.wrong, INPUT_WRONG)
    if base.missing:
        known = ", ".join(base.figures.clients)
        _refuse((f"--clients: found '{base.missing[0]}', expected one of {known} ({run_dir})",), INPUT_WRONG)
    troubles = tuple(troubles_of(base.measured, base.figures, base.clients, strict=False))
    if troubles:
        _refuse((f"{run_dir}: no baseline is written", *troubles), NOT_VALID)
    content = baseline_of(base.figures, base.measured.run.plan, base.clients)
    write_file(out, as_text(content))
    seeds = len(content.seeds)
    if seeds < ENOUGH_SEEDS:
        more = f"with {seeds} seed{'' if seeds == 1 else 's'} hardly any difference can be told from chance"
        print(
            f"windtunnel: {more}: play {ENOUGH_SEEDS} (windtunnel run … --seeds {ENOUGH_SEEDS})",
            file=sys.stderr,
        )
    print(out)


def _refuse(sentences: tuple[str, ...], code: int) -> NoReturn:
    for sentence in sentences:
        print(printable(f"windtunnel: {sentence}"), file=sys.stderr)
    raise typer.Exit(code)
