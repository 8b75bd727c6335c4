"""What a damaged table means for its cell: lost rows are not known, and no other fault is said of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.reports.tables import Row, call, make_cell, served
from windtunnel.reports.figures.cell import figures_of
from windtunnel.reports.figures.damages import is_partial, may_have_started
from windtunnel.reports.figures.validity import dropped_arrivals
from windtunnel.reports.read.outcomes import Judged, judge
from windtunnel.reports.read.run_dir import CellRecords
from windtunnel.reports.read.tables import Damage


def offer(*intended: float) -> list[Row]:
    """A schedule."""
    return [{"call_id": f"c{index}", "index": index, "intended_s": at} for index, at in enumerate(intended)]


def cell_with(*damaged: str) -> CellRecords:
    """A cell that came to its end, of whose two calls one has no row; those tables are damaged."""
    cell = make_cell([call("c0", 0, 1)], [served("c0", 0, 0)], schedule=offer(0, 1))
    return replace(cell, found_damages=[[Damage(table, f"{table} is cut off") for table in damaged]])


def judged_with(*damaged: str) -> Judged:
    return judge(cell_with(*damaged))


@pytest.mark.parametrize(
    ("damaged", "outcome", "started", "dropped"),
    [((), "unfinished", False, 1), (("calls",), "unknown", True, 0), (("lags",), "unfinished", False, 1)],
)
def test_a_call_whose_row_may_be_lost_is_unknown_and_no_dropped_arrival(
    damaged: tuple[str, ...], outcome: str, started: bool, dropped: int
) -> None:
    """Only damage of the table that would have its row makes a call unknown."""
    judged = judged_with(*damaged)
    assert judged.calls["outcome"].iloc[1] == outcome
    assert may_have_started(judged.calls).tolist() == [True, started]
    assert dropped_arrivals(judged).value == dropped


def test_a_damaged_cell_is_not_partial() -> None:
    """It came to its end; without a damage, a call that nobody knows about says that something was cut off."""
    assert not is_partial(judged_with("calls"))
    assert not is_partial(judged_with())
    assert is_partial(judge(make_cell([call("c0", 0, 1)], [], schedule=offer(0))))


def test_figures_over_lost_rows_are_null_with_their_reason() -> None:
    """What was offered is known from the schedule all the same; of the attempts only what needs them is lost."""
    lost = figures_of(judged_with("calls"), {}).overall
    assert (lost["offered"].value, lost["goodput"].value) == (2, None)
    assert lost["goodput"].reason == "records are damaged: calls"
    some = figures_of(judged_with("attempts"), {}).overall
    assert (some["goodput"].value, some["service_p50_s"].value) == (0.5, None)
