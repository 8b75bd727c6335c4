"""`windtunnel check`: judge what is expected of the clients of runs, for a CI system."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from windtunnel.harness.cli.groups import grouped
from windtunnel.harness.cli.lab import require_lab
from windtunnel.harness.cli.options import OnlyClients, StrictOfSeveral
from windtunnel.harness.cli.outputs import require_writable, write_file
from windtunnel.harness.contract.cells import names_of
from windtunnel.harness.contract.expectation import Expectation
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.harness.contract.text import printable
from windtunnel.harness.errors import InputError, nearest

if TYPE_CHECKING:
    from windtunnel.reports.check.base import CheckOptions
    from windtunnel.reports.check.model import CheckResult


@dataclass(frozen=True, slots=True)
class JudgedOptions:
    """What runs are judged by."""

    expect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="E",
            help="What is expected besides what the scenario says, such as 'amplification@after <= 1.5'. "
            "Can be given several times.",
        ),
    ] = None
    clients: OnlyClients = None
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="F",
            help="Compare with this file of `baseline write`: exit 1 if a metric became worse. "
            "Can be given several times, a file for each scenario.",
        ),
    ] = None
    floor: Annotated[
        list[str] | None,
        typer.Option(
            help="With --baseline: the smallest difference of a metric that matters, such as goodput=0.02 or "
            "wait_p99_s=10%. Can be given several times."
        ),
    ] = None
    force: Annotated[
        bool, typer.Option("--force", help="Compare also with a baseline that does not fit the run.")
    ] = False

    def asked(self, *, strict: bool) -> CheckOptions:
        """The same, read. Raises InputError for a file or an option that is wrong."""
        from windtunnel.harness.contract.floors import asked_floors
        from windtunnel.reports.check.base import CheckOptions
        from windtunnel.reports.check.baseline import BaselineError, NamedBaseline, read_baseline

        try:
            baselines = tuple(NamedBaseline(path, read_baseline(path)) for path in self.baseline or ())
        except BaselineError as error:
            raise InputError("--baseline", hint=str(error)) from None
        return CheckOptions(
            expect=tuple(asked(text) for text in self.expect or ()),
            clients=names_in(self.clients),
            strict=strict,
            baselines=baselines,
            floors=asked_floors(self.floor or [], "windtunnel check"),
            force=self.force,
        )


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The files that a verdict is written to."""

    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None
    markdown: Annotated[
        Path | None, typer.Option(help="Write Markdown for a comment on a pull request to this file.")
    ] = None
    json_file: Annotated[Path | None, typer.Option("--json", help="Write JSON to this file.")] = None

    def require_writable(self) -> None:
        """Raise an InputError for the first file that could not be written."""
        require_writable({"--junit": self.junit, "--markdown": self.markdown, "--json": self.json_file})

    def write(self, verdict: CheckResult) -> None:
        """Write all that are asked for."""
        from windtunnel.reports.check.as_json import as_json
        from windtunnel.reports.check.junit import junit
        from windtunnel.reports.check.markdown import markdown

        if self.junit is not None:
            write_file(self.junit, junit(verdict))
        if self.markdown is not None:
            write_file(self.markdown, markdown(verdict))
        if self.json_file is not None:
            text = json.dumps(as_json(verdict), indent=1, ensure_ascii=False, allow_nan=False)
            write_file(self.json_file, f"{text}\n")


@grouped
def check(
    run_dirs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_DIR...", help="Run directories, or a folder of several, as `run` leaves it."
        ),
    ],
    judged: JudgedOptions,
    files: FileOptions,
    strict: StrictOfSeveral = False,
) -> None:
    """Judge the expectations of RUN_DIR's scenario and those of --expect, and set the exit code."""
    require_lab("check")
    files.require_writable()
    from windtunnel.reports.check.github import error_lines
    from windtunnel.reports.check.markdown import markdown
    from windtunnel.reports.check.runs import check_runs, run_folders
    from windtunnel.reports.check.terminal import lines

    options = judged.asked(strict=strict)
    result = check_runs(run_folders(run_dirs), options)
    for line in lines(result):
        print(line)
    files.write(result)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        tell_github(error_lines(result), markdown(result), os.environ.get("GITHUB_STEP_SUMMARY"))
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
