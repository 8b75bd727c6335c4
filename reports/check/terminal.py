"""The table on a terminal, or in the log of a CI system: plain text, never cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from windtunnel.harness.contract.text import printable
from windtunnel.reports.check.model import CheckedExpectation, CheckedRun, CheckResult
from windtunnel.reports.check.words import (
    SIGNS,
    compared_cells,
    compared_summary,
    conclusion_text,
    interval_text,
    limit_text,
    margin_text,
    open_compared,
    result_text,
    run_text,
    sign_of,
    value_text,
)

MOST_COMPARED = 12
"""Metrics of one client that became worse, better, or are open: so many of each are shown."""
COMPARED_HEAD = ("", "client", "metric", "baseline", "now", "difference", "interval", "floor", "verdict")
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
        yield from _compared(run)
        results = {*(one.result for one in run.checked), *(one.result for one in run.compared)}
        if results - {"passed"}:
            yield line(f"     the whole report: {run.page}")
        for note in run.notes:
            yield line(f"note: {note}")
        for trouble in run.troubles:
            yield line(f"? {trouble}")
        for wrong in run.wrong:
            yield line(f"✗ {wrong}")
    yield conclusion_text(result)


def _compared(run: CheckedRun) -> Iterator[str]:
    """What became of the baseline's metrics: all that is worse or open, and of the rest how many there are."""
    if not run.compared:
        return
    yield line(f"against {run.baseline}:")
    shown, more = open_compared(run, MOST_COMPARED)
    if shown:
        rows = [(sign_of(one), *compared_cells(one)) for one in shown]
        widths = _widths([COMPARED_HEAD, *rows])
        yield _row(COMPARED_HEAD, widths)
        for one, row in zip(shown, rows, strict=True):
            yield _row(row, widths)
            if one.look:
                yield line(f"     look: {one.look}")
    if more:
        yield f"     … and {more} more such metrics (--json has all)"
    for summary in compared_summary(run):
        yield line(f"     {summary}")


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
