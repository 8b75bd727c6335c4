"""What GitHub Actions reads from the log of a step: annotations, escaped as it requires."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from windtunnel.harness.contract.text import printable
from windtunnel.reports.check.junit import compared_line, summary
from windtunnel.reports.check.model import CheckedRun, CheckResult

MOST: Final = 10
"""GitHub shows ten errors of a step."""


def error_lines(result: CheckResult) -> Iterator[str]:
    """The lines `::error …`, the most important first; the last one says how many more there are."""
    found = [one for run in result.runs for one in _of_run(run)]
    errors = [one for rank in range(3) for one in found if one[0] == rank]
    shown = errors if len(errors) <= MOST else errors[: MOST - 1]
    for _, title, message in shown:
        yield command("error", title, message)
    if len(errors) > len(shown):
        yield command("error", "windtunnel", f"{len(errors) - len(shown)} more: see the summary of the job")


def _of_run(run: CheckedRun) -> Iterator[tuple[int, str, str]]:
    """(rank, title, message) of everything that is not well."""
    title = f"windtunnel: {run.name}"
    for sentence in (*run.troubles, *run.wrong):
        yield 0, title, sentence
    for one in run.checked:
        if one.result != "passed":
            look = f"\nlook: {one.look}" if one.look else ""
            yield 1 if one.result == "failed" else 2, title, f"{summary(one)}{look}"
    for found in run.compared:
        if found.result != "passed":
            look = f"\nlook: {found.look}" if found.look else ""
            yield 1 if found.result == "failed" else 2, title, f"{compared_line(found)}{look}"


def command(kind: str, title: str, message: str) -> str:
    """A workflow command: no value can end it, begin another one or add a property."""
    return f"::{kind} title={_property(title)}::{_data(message)}"


def _data(raw: str) -> str:
    return printable(raw).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(raw: str) -> str:
    return _data(raw).replace(":", "%3A").replace(",", "%2C")
