"""The course of a cell on an even grid."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.tables import call, make_cell, served
from windtunnel.reports.charts.series import cell_series, mean_series
from windtunnel.reports.read.outcomes import judge


def test_rates_are_per_second() -> None:
    """Ten calls and twenty attempts a second show as such, whatever the step, and half of them are retries."""
    rows = [call(f"c{i}", i / 10, i / 10 + 0.2) for i in range(100)]
    answers = [served(f"c{i}", n, i / 10) for i in range(100) for n in range(2)]
    for step in (0.5, 1.0):
        course = cell_series(judge(make_cell(rows, answers)), step)
        assert len(course) == 10 / step
        assert (course["offered"] == 10).all()
        assert (course["arrivals"] == 20).all()
        assert (course["retries"] == 10).all()
        assert (course["amplification"] == 2).all()
        assert (course["good_intended"] == 10).all()
        assert course["good"].sum() * step == pytest.approx(98)


def test_a_second_without_calls_has_no_amplification() -> None:
    """Nothing offered is null, not one and not infinite."""
    course = cell_series(judge(make_cell([call("c0", 0.1, 1)], [served("c0", 1, 3.2)])), 1.0)
    assert course["amplification"][0] == 1
    assert course["amplification"][1:].isna().all()


def test_queue_and_slots_are_counted_where_requests_are() -> None:
    """A request waits from arrival to its slot and works from there; refused ones and faults do neither."""
    answers = [
        served("c0", 0, 0.0, started_s=0.0, ended_s=4.0),
        served("c1", 0, 0.0, started_s=3.0, ended_s=5.0),
        served("c2", 0, 0.0, started_s=None, status=None, ended_s=2.0),
        served("c3", 0, 0.0, started_s=None, status=503, ended_s=9.0),
        served("c4", 0, 0.0, started_s=None, status=None, faults=["hang"], ended_s=9.0),
    ]
    course = cell_series(judge(make_cell([call("c0", 0, 4)], answers)), 1.0)
    assert list(course["queue_depth"][:5]) == [2, 2, 1, 0, 0]
    assert list(course["in_flight"][:6]) == [1, 1, 1, 2, 1, 0]


@given(st.lists(st.floats(0, 9.99), max_size=50))
@settings(deadline=None)
def test_nothing_is_lost_between_the_bins(times: list[float]) -> None:
    """The bins hold every call of the phases exactly once."""
    rows = [call(f"c{i}", at, at) for i, at in enumerate(times)]
    course = cell_series(judge(make_cell(rows)), 0.5)
    assert course["offered"].sum() * 0.5 == pytest.approx(len(times))


def test_repeats_share_one_course() -> None:
    """The course of several repeats is their mean, bin by bin."""
    one = cell_series(judge(make_cell([call("c0", 0, 1)])), 1.0)
    two = cell_series(judge(make_cell([call("c0", 0, 1), call("c1", 0.5, 1), call("c2", 0.6, 1)])), 1.0)
    both = mean_series([one, two])
    assert list(both.columns) == list(one.columns)
    assert both["offered"][0] == 2
