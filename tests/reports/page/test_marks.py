"""Best and worst of a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reports.page.queue_simulation import CLIENTS, Client
from tests.reports.page.rundir import write_run
from windtunnel.reports.build import write_report
from windtunnel.reports.metrics.figure import Figure
from windtunnel.reports.page.marks import marks

LOW, MIDDLE, HIGH = Figure(0.2, 0.1, 0.3), Figure(0.5, 0.45, 0.55), Figure(0.9, 0.8, 1.0)


@pytest.mark.parametrize(
    ("figures", "better", "expected"),
    [
        ((LOW, MIDDLE, HIGH), "higher", ["worst", "", "best"]),
        ((LOW, MIDDLE, HIGH), "lower", ["best", "", "worst"]),
        ((LOW, MIDDLE, HIGH), None, ["", "", ""]),
        ((LOW, Figure(0.25, 0.2, 0.3), HIGH), "higher", ["", "", "best"]),
        ((LOW, LOW, HIGH), "higher", ["worst", "worst", "best"]),
        ((LOW, LOW), "higher", ["", ""]),
        ((Figure(0.2), Figure(0.9)), "higher", ["", ""]),
        ((LOW, Figure(0.9), HIGH), "higher", ["", "", ""]),
        ((LOW, None, HIGH), "lower", ["best", "", "worst"]),
        ((Figure(None), LOW, HIGH), "lower", ["", "best", "worst"]),
        ((Figure(None), LOW), "lower", ["", ""]),
        ((Figure(0.2, 0.1, 0.3, censored=True), HIGH), "lower", ["", ""]),
    ],
)
def test_a_mark_needs_an_interval_apart_from_all_others(
    figures: tuple[Figure | None, ...], better: str | None, expected: list[str]
) -> None:
    """Single runs, overlapping intervals, unknown values and lower bounds that may be larger carry no mark."""
    assert marks(figures, better) == expected


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_client_beside_itself_carries_no_mark(tmp_path: Path, repeats: int) -> None:
    """One client played under two names, with the chances of two plays, is neither better nor worse than itself."""
    twins = (Client("one"), Client("other"))
    run = write_run(tmp_path / "twins", clients=twins, repeats=repeats, own_chances=True)
    content = write_report(run).content
    figures = [row for row in content.headlines if len({cell.text for cell in row.cells}) > 1]
    assert len(figures) >= 3
    assert [row.name for row in content.headlines if any(cell.mark for cell in row.cells)] == []


def test_clients_that_differ_are_marked_over_repeats(tmp_path: Path) -> None:
    """The client that multiplies the load in every repeat is the worst of that row."""
    run = write_run(tmp_path / "apart", clients=CLIENTS, repeats=3, own_chances=True)
    rows = {row.name: row for row in write_report(run).content.headlines}
    assert [cell.mark for cell in rows["amplification"].cells].count("worst") == 1
