"""The table on a terminal, or in the log of a CI system: plain text, never cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from windtunnel.harness.contract.text import printable
from windtunnel.reports.check.model import CheckedExpectation, CheckResult
from windtunnel.reports.check.words import (
    SIGNS,
    conclusion_text,
    interval_text,
    limit_text,
    margin_text,
    result_text,
    run_text,
    value_text,
)

HEAD = ("", "client", "metric", "value", "interval", "limit", "margin", "result")


def lines(result: CheckResult) -> Iterator[str]:
    """The whole text, line by line."""
    widths = _widths([HEAD, *(_cells(one) for one in result.checked)])
    for run in result.runs:
        yield line(f"{run_text(run)}: {run.path}" if run.scenario else str(run.path))
        if run.checked:
            yield _row(HEAD, widths)
        for one in run.checked:
            yield _row(_cells(one), widths)
            if one.look:
                yield line(f"     look: {one.look}")
        if any(one.result != "passed" for one in run.checked):
            yield line(f"     the whole report: {run.page}")
        for note in run.notes:
            yield line(f"note: {note}")
        for trouble in run.troubles:
            yield line(f"? {trouble}")
        for wrong in run.wrong:
            yield line(f"✗ {wrong}")
    yield conclusion_text(result)


def line(text: str) -> str:
    """`text` on one line, without any meaning to a terminal."""
    return printable(" ".join(text.split("\n")))


def _cells(one: CheckedExpectation) -> tuple[str, ...]:
    cells = (one.client, one.name, value_text(one), interval_text(one), limit_text(one), margin_text(one))
    return (SIGNS[one.result], *cells, result_text(one))


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return line("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
