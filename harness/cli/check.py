"""`windtunnel check`: judge what is expected of the clients of runs, for a CI system."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.outputs import require_writable, write_file
from windtunnel.harness.contract.cells import names_of
from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.harness.contract.text import printable
from windtunnel.harness.errors import InputError, nearest


def check(
    run_dirs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_DIR...", help="Run directories, or a folder of several, as `run` leaves it."
        ),
    ],
    expect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="E",
            help="What is expected besides what the scenario says, such as 'amplification@after <= 1.5'. "
            "Can be given several times.",
        ),
    ] = None,
    clients: Annotated[
        str | None, typer.Option(help="Only these clients, with commas between. Default: all of the run.")
    ] = None,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="F",
            help="Compare with this file of `baseline write`: exit 1 if a metric became worse. "
            "Can be given several times, a file for each scenario.",
        ),
    ] = None,
    floor: Annotated[
        list[str] | None,
        typer.Option(
            help="With --baseline: the smallest difference of a metric that matters, such as goodput=0.02 or "
            "wait_p99_s=10%. Can be given several times."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Compare also with a baseline that does not fit the run.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write Markdown for a comment on a pull request to this file.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write JSON to this file.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 also if a measurement is noisy.")] = False,
) -> None:
    """Judge the expectations of RUN_DIR's scenario and those of --expect, and set the exit code."""
    require_lab("check")
    require_writable({"--junit": junit, "--markdown": markdown, "--json": json_file})
    from windtunnel.harness.contract.floors import asked_floors
    from windtunnel.reports.check.as_json import as_json
    from windtunnel.reports.check.base import CheckOptions
    from windtunnel.reports.check.baseline import BaselineError, NamedBaseline, read_baseline
    from windtunnel.reports.check.github import error_lines
    from windtunnel.reports.check.junit import junit as junit_text
    from windtunnel.reports.check.markdown import markdown as markdown_text
    from windtunnel.reports.check.runs import check_runs, run_folders
    from windtunnel.reports.check.terminal import lines

    try:
        baselines = tuple(NamedBaseline(path, read_baseline(path)) for path in baseline or ())
    except BaselineError as error:
        raise InputError("--baseline", hint=str(error)) from None
    options = CheckOptions(
        expect=tuple(asked(text) for text in expect or ()),
        clients=names_in(clients),
        strict=strict,
        baselines=baselines,
        floors=asked_floors(floor or [], "windtunnel check"),
        force=force,
    )
    result = check_runs(run_folders(run_dirs), options)
    for line in lines(result):
        print(line)
    if junit is not None:
        write_file(junit, junit_text(result))
    if markdown is not None:
        write_file(markdown, markdown_text(result))
    if json_file is not None:
        write_file(
            json_file, json.dumps(as_json(result), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        )
    if os.environ.get("GITHUB_ACTIONS") == "true":
        tell_github(error_lines(result), markdown_text(result), os.environ.get("GITHUB_STEP_SUMMARY"))
    raise typer.Exit(result.exit_code)


def asked(text: str) -> Expectation:
    """The expectation of an `--expect`. Raises `InputError` if it has another form, or names no metric."""
    from windtunnel.reports.errors import ExpectationError
    from windtunnel.reports.gate.expectations import parse

    try:
        return parse(text)
    except ExpectationError as error:
        word = re.match(r"\s*(\w+)", text)
        close = nearest(word[1], tuple(METRICS)) if word and word[1] not in METRICS else ""
        raise InputError(
            f"--expect {text!r}", found=error.found, expected=error.expected, hint=close
        ) from None


def names_in(clients: str | None) -> tuple[str, ...] | None:
    """The names of `--clients`; None if it is not given. Raises `InputError` if it has none."""
    if clients is None:
        return None
    names = tuple(dict.fromkeys(names_of(clients)))
    if not names:
        raise InputError("--clients", found="no name", expected="names of clients, with commas between")
    return names


def tell_github(errors: Iterable[str], summary: str, file: str | None) -> None:
    """Inside GitHub Actions: annotations for the page of the change, and the job's summary at the end of `file`."""
    for line in errors:
        print(line)
    if file:
        try:
            with Path(file).open("a", encoding="utf-8") as job:
                job.write(f"{summary}\n")
        except OSError as error:  # the verdict does not depend on it
            print(printable(f"windtunnel: no job summary: {error}"), file=sys.stderr)
