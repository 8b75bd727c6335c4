"""`windtunnel report`: make the report of a run directory anew."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from windtunnel.harness.cli.exit_codes import EXPECTATION_FAILED, INPUT_WRONG, NOT_VALID, worst
from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.options import Check, Strict
from windtunnel.harness.contract.files import RUNS_FILE
from windtunnel.harness.contract.text import printable

if TYPE_CHECKING:
    from windtunnel.reports.build import ReportResult

LATE = ("lateness", "lag", "dropped_arrivals")
"""Words in the names of the checks that a machine fails which has too much to do."""


def report(
    run_dir: Annotated[
        Path,
        typer.Argument(
            help="A run directory, a folder of several, or what `serve --journal` left: then the server's view."
        ),
    ],
    check: Check = False,
    strict: Strict = False,
) -> None:
    """Rebuild metrics, charts and page from the records of RUN_DIR."""
    require_lab("report")
    from windtunnel.harness.cli.several import scenarios_of, write_matrix_of
    from windtunnel.reports.read.journal import is_journal

    if (run_dir / RUNS_FILE).is_file():
        folders = [run_dir / name for name in scenarios_of(run_dir)]
        played = [folder for folder in folders if (folder / "cells").is_dir()]
        codes = [make_report(folder, check=check, whole=True, strict=strict) for folder in played]
        write_matrix_of(run_dir)
        print(run_dir)
        raise typer.Exit(worst([*codes, *([NOT_VALID] if played != folders else [])]))
    if is_journal(run_dir):
        raise typer.Exit(_report_of_a_server(run_dir))
    raise typer.Exit(make_report(run_dir, check=check, whole=True, strict=strict))


def _report_of_a_server(folder: Path) -> int:
    """Write the server's view of its records, print its summary and the folder, and return the exit code."""
    from windtunnel.reports.build import write_server_report

    view = write_server_report(folder)
    print(printable((folder / "summary.md").read_text()))
    for damage in view.damages:
        print(printable(f"windtunnel: {damage}"), file=sys.stderr)
    print(folder)
    return NOT_VALID if view.damages else 0


def late_cells(folder: Path) -> dict[str, str]:
    """The cells whose measurement is not valid since something was late, by name, and what was late."""
    from windtunnel.reports.figures.cells import measure_run

    found = {}
    for cell in (one.figures for one in measure_run(folder).cells):
        failed = [check for check in cell.checks if check.state == "invalid"]
        if any(word in check.name for check in failed for word in LATE):
            found[f"{cell.client}-{cell.repeat}"] = " ".join(check.sentence for check in failed)
    return found


def write_shown(folder: Path, console: Console) -> ReportResult:
    """Write the report of a run, and show on `console` how far it is. Raises ReportsError if it cannot be made."""
    from windtunnel.reports.build import write_report

    with console.status("Writing the report …") as status:
        return write_report(
            folder,
            on_progress=lambda done, of: status.update(f"Writing the report: {done} of {of} cells …"),
        )


def make_report(folder: Path, *, check: bool, whole: bool, strict: bool = False) -> int:
    """Write the report, print its verdicts and last the run directory's path, and return the exit code."""
    from windtunnel.harness.run.terminal import outliving_the_terminal
    from windtunnel.reports.errors import ReportsError
    from windtunnel.reports.gate.expectations import input_errors, overall_result
    from windtunnel.reports.page.terminal import verdict_lines

    try:
        with outliving_the_terminal():
            result = write_shown(folder, Console(stderr=True))
    except ReportsError as error:
        print(printable(f"windtunnel: {error}"), file=sys.stderr)
        return INPUT_WRONG if whole else NOT_VALID
    for line in verdict_lines(result.content):
        print(printable(line))
    for damage in (damage for cell in result.figures.cells for damage in cell.damages):
        print(printable(f"windtunnel: {damage}"), file=sys.stderr)
    wrong = input_errors(result.figures.judgements)
    for message in wrong:
        print(printable(f"windtunnel: {message}"), file=sys.stderr)
    print(folder)
    measured = all(client.measured for client in result.figures.clients.values())
    if (
        not measured
        or not result.valid
        or (strict and result.figures.state == "noisy")
        or result.partial
        or not whole
    ):
        return NOT_VALID
    if wrong:
        return INPUT_WRONG
    if not check:
        return 0
    return {"passed": 0, "failed": EXPECTATION_FAILED, "undecided": NOT_VALID}[
        overall_result(result.figures.judgements)
    ]
