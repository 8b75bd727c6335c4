"""What passes through a level, from records whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reports.tables import call, make_cell, served
from windtunnel.harness.contract.capacity import BilledTokens, Flow, Level
from windtunnel.reports.capacity.flow import bills_of, flows_of, occupancy
from windtunnel.reports.capacity.little import little
from windtunnel.reports.read.outcomes import judge

PHASES = (("settle", 0.0, 10.0), ("batch-0", 10.0, 20.0), ("batch-1", 20.0, 30.0))


def test_occupancy_is_a_mean_over_time() -> None:
    """Two intervals of 4 s and 2 s in 10 s, side by side for 1 s: 0.6 in the mean; the variance is that over time."""
    mean, variance = occupancy(np.array([0.0, 3.0]), np.array([4.0, 5.0]), 0.0, 10.0)
    assert mean == pytest.approx(0.6)
    assert variance == pytest.approx((4 * 1 + 1 * 4) / 10 - 0.36)


def test_what_reaches_over_the_ends_counts_as_far_as_it_is_inside() -> None:
    """An interval that began before, one that has no end, and one that is elsewhere."""
    mean, _ = occupancy(np.array([-5.0, 8.0, 20.0]), np.array([1.0, np.nan, 21.0]), 0.0, 10.0)
    assert mean == pytest.approx(0.3)


def test_a_batch_says_what_came_what_waited_and_what_was_under_way() -> None:
    """A call of the settling phase that is still under way counts for the clock and not for the cohort."""
    calls = [call("a", 8, 12), call("b", 11, 16), call("c", 18, 21)]
    requests = [served("a", 0, 8, ended_s=12), served("b", 0, 12, ended_s=16), served("c", 0, 18, ended_s=21)]
    judged = judge(make_cell(calls, requests, phases=PHASES))
    first, second = flows_of(judged, judged.cell.phases[1:])
    assert (first.calls, first.good, first.waited_s) == (2, 2, 8.0)
    assert first.in_flight == pytest.approx((2 + 5 + 2) / 10)
    assert first.open == pytest.approx((2 + 4 + 2) / 10)
    assert (second.calls, second.in_flight) == (0, pytest.approx(0.1))


def test_a_request_is_open_until_its_client_leaves() -> None:
    """The provider works on; the client's connection is gone."""
    requests = [served("a", 0, 10, ended_s=19, abandoned=True, abandoned_at_s=12)]
    judged = judge(make_cell([call("a", 10, 12, "timeout")], requests, phases=PHASES))
    assert flows_of(judged, judged.cell.phases[1:2])[0].open == pytest.approx(0.2)


def test_the_bill_is_split_into_useful_abandoned_and_late() -> None:
    """One good call at its second attempt, the first one abandoned; one call too late; a call elsewhere is left out."""
    calls = [
        call("a", 11, 13, served_id="a/1"),
        call("b", 12, 19),  # the deadline of these cells is 5 s
        call("x", 1, 2),
    ]
    requests = [
        served("a", 0, 11, abandoned=True, abandoned_at_s=12, tokens_billed=7),
        served("a", 1, 12, ended_s=13),
        served("b", 0, 12, ended_s=19, tokens_billed=20),
        served("x", 0, 1, tokens_billed=999),
    ]
    judged = judge(make_cell(calls, requests, phases=PHASES))
    bill, none = bills_of(judged, judged.cell.phases[1:])
    assert bill.good == 1
    assert (bill.useful, bill.abandoned, bill.late) == (
        BilledTokens(5, 10),
        BilledTokens(5, 7),
        BilledTokens(5, 20),
    )
    assert bill.retried == BilledTokens(5, 10)
    assert (none.good, none.late) == (0, BilledTokens(0, 0))


def level(*flows: Flow) -> Level:
    """A level of which only its flows are known."""
    return Level(5, "passed", (), 1, len(flows), 0, 5, 5, 90, 1, 0, {}, flows=flows)


def test_littles_law_holds_where_as_many_leave_as_come() -> None:
    """5 calls/s of 2 s each are 10 under way."""
    found = little(level(Flow(12, 60, 60, 120, 10, 10, 8, 8), Flow(12, 60, 60, 120, 10, 10, 8, 8)))
    assert found is not None
    assert (found.in_flight, found.arrivals, found.wait_s) == (10, 5, 2)
    assert found.off == pytest.approx(0)
    assert found.steady


def test_littles_law_is_off_where_the_queue_grows() -> None:
    """Twice as many come as leave, in a queue without an end: from records, as a level would have them."""
    begin = np.arange(0, 100, 0.5)
    end = 1.0 + np.arange(200)  # one leaves a second
    calls = [call(f"c{n}", float(b), float(e)) for n, (b, e) in enumerate(zip(begin, end, strict=True))]
    judged = judge(make_cell(calls, phases=(("settle", 0.0, 40.0), ("batch-0", 40.0, 100.0))))
    found = little(level(*flows_of(judged, judged.cell.phases[1:])))
    assert found is not None
    assert found.off == pytest.approx(-0.5, abs=0.02)
    assert not found.steady


def test_nothing_is_said_of_a_level_without_records_of_it() -> None:
    """A level of an older capacity.json."""
    assert little(level()) is None
