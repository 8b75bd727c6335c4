"""What became of a call is decided against the server's truth."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.reports.tables import Row, call, make_cell, served
from windtunnel.reports.read.outcomes import OUTCOMES, Judged, judge, outcome_shares


def outcome(row: Row, *answers: Row) -> str:
    return str(judge(make_cell([row], answers)).calls["outcome"][0])


def test_the_same_digest_is_ok() -> None:
    """A success whose digest is the server's truth is ok."""
    assert outcome(call("c0", 0, 1), served("c0", 0, 0)) == "ok"


def test_another_digest_is_corrupt() -> None:
    """A success with another digest than the truth is corrupt."""
    assert outcome(call("c0", 0, 1, digest="half of it"), served("c0", 0, 0)) == "corrupt"


def test_without_a_digest_it_is_unknown() -> None:
    """A success of which nobody saw what was handed over is neither right nor wrong."""
    assert outcome(call("c0", 0, 1, digest=None), served("c0", 0, 0)) == "unknown"


def test_an_answer_that_was_never_meant_is_corrupt() -> None:
    """A success delivered from a row without any truth is corrupt, not ok by accident."""
    row = call("c0", 0, 1, digest="something")
    assert outcome(row, served("c0", 0, 0, truth_digest=None)) == "corrupt"


def test_an_answer_that_nobody_saw_is_unknown() -> None:
    """Without a digest there is nothing to compare with the truth."""
    assert outcome(call("c0", 0, 1, digest=None), served("c0", 0, 0)) == "unknown"


def test_nothing_to_compare_with_is_unknown() -> None:
    """A success without any served row is unknown."""
    assert outcome(call("c0", 0, 1)) == "unknown"


def test_the_last_delivered_row_stands_in_for_a_missing_served_id() -> None:
    """Without a served_id the truth is that of the call's last answer that was really delivered."""
    rows = [
        served("c0", 0, 0, status=500, truth_digest=None),
        served("c0", 2, 2, last_byte_s=3.0),
        served("c0", 1, 1, last_byte_s=9.0, abandoned=True, truth_digest="another"),
    ]
    judged = judge(make_cell([call("c0", 0, 3, served_id=None)], rows))
    assert judged.calls["outcome"][0] == "ok"
    assert judged.calls["answer"][0] == 1


@pytest.mark.parametrize("name", ["error", "timeout", "deadline", "cancelled", "shed"])
def test_what_the_client_did_not_take_for_success_stays(name: str) -> None:
    """Failures that the client noticed are not judged again, whatever the server sent."""
    assert outcome(call("c0", 0, 1, name), served("c0", 0, 0)) == name


def test_a_declared_incompleteness_nobody_checks_is_corrupt() -> None:
    """An answer cut off by a fault is corrupt for a profile that does not look at the finish_reason."""
    row = call("c0", 0, 1, digest="cut", finish_reason="length", declared_incomplete=True)
    assert outcome(row, served("c0", 0, 0)) == "corrupt"


@pytest.mark.parametrize(("ended_s", "good"), [(5.0, True), (5.001, False)])
def test_good_is_ok_within_the_deadline_of_the_intended_time(ended_s: float, good: bool) -> None:
    """A call that starts late does not get more time: the deadline runs from its intended time."""
    judged = judge(make_cell([call("c0", 0, ended_s, started_s=3.0)], [served("c0", 0, 3)]))
    assert bool(judged.calls["good"][0]) is good


def offer(*times: float) -> list[Row]:
    return [{"call_id": f"c{i}", "intended_s": t, "instance": 0, "phase": "x"} for i, t in enumerate(times)]


def test_warm_up_and_tail_are_never_offered() -> None:
    """Only calls intended inside the phases count, and attempts of others point to no call."""
    schedule = [
        {"call_id": "w0", "intended_s": -1.0},
        {"call_id": "c0", "intended_s": 0.0},
        {"call_id": "c1", "intended_s": 9.999},
        {"call_id": "t0", "intended_s": 10.0},
    ]
    judged = judge(make_cell(served=[served("w0", 0, 1), served("c1", 0, 1)], schedule=schedule))
    assert list(judged.calls["intended_s"]) == [0.0, 9.999]
    assert sorted(judged.served["call"]) == [-1, 1]


def test_a_call_without_a_row_is_unfinished() -> None:
    """What was scheduled and left no row is offered, unfinished and not good."""
    judged = judge(make_cell([call("c0", 0, 1)], [served("c0", 0, 0)], schedule=offer(0, 1)))
    assert list(judged.calls["outcome"]) == ["ok", "unfinished"]
    assert list(judged.calls["good"]) == [True, False]
    assert list(judged.calls["judged"]) == [True, True]


def cut_off() -> Judged:
    rows = [call("c0", 0, 1), call("c2", 2, 2.5)]
    answers = [served("c0", 0, 0), served("c2", 0, 2)]
    return judge(
        make_cell(rows, answers, schedule=offer(0, 1, 2, 6.4, 7), observed_s=6.5, state="interrupted")
    )


def test_a_run_cut_off_offers_up_to_the_last_heartbeat() -> None:
    """After a kill, what the schedule holds later than the last heartbeat was never offered."""
    assert len(cut_off().calls) == 4


def test_a_run_cut_off_judges_only_calls_whose_deadline_had_passed() -> None:
    """A call that could still have ended in time is not held against the client, nor counted for it."""
    judged = cut_off()
    assert list(judged.calls["judged"]) == [True, True, False, False]
    assert list(judged.calls["good"]) == [True, False, False, False]
    assert judged.end_s == 1.5


def test_an_unfinished_call_waited_at_least_until_the_cut() -> None:
    """The wait of a call that was cut off is what was seen of it, not nothing."""
    assert judged_wait(cut_off(), 1) == 5.5


def judged_wait(judged: Judged, row: int) -> float:
    return float(judged.calls["wait_s"][row])


def test_a_cell_that_never_began_offers_nothing() -> None:
    """A cell without any record is empty rather than an error."""
    judged = judge(make_cell(schedule=offer(0, 1), observed_s=-math.inf, state="interrupted"))
    assert len(judged.calls) == 0


def test_a_call_written_twice_counts_once() -> None:
    """The last row of a call is the one that holds."""
    rows: list[dict[str, Any]] = [call("c0", 0, 1, "cancelled"), call("c0", 0, 2)]
    judged = judge(make_cell(rows, [served("c0", 0, 0)], schedule=offer(0)))
    assert list(judged.calls["outcome"]) == ["ok"]


def test_pauses_between_contents_belong_to_their_call() -> None:
    """Gaps follow their call through the reordering by intended time; those of the warm-up do not count."""
    rows = [
        call("c1", 2, 3, gaps_s=[0.5]),
        call("w0", -1, 0, gaps_s=[9.0]),
        call("c0", 1, 2, gaps_s=[0.25, 0.125]),
    ]
    gaps = judge(make_cell(rows)).gaps
    assert gaps.quantiles((0.0, 0.5, 1.0)) == {0.0: 0.125, 0.5: 0.25, 1.0: 0.5}


def test_shares_of_outcomes_add_up_to_one() -> None:
    """Every judged call has exactly one of the known outcomes."""
    shares = outcome_shares(cut_off())
    assert list(shares.index) == list(OUTCOMES)
    assert shares["ok"] == shares["unfinished"] == 0.5
    assert shares.sum() == 1


def test_a_truth_that_is_cut_by_max_tokens_is_ok_for_who_delivers_it() -> None:
    """The request's own max_tokens cut the truth: a profile that looks at finish_reason has lost nothing."""
    rows = [
        call("c0", 0, 1),
        call("c1", 0, 1, "incomplete", finish_reason="length", declared_incomplete=True),
        call("c2", 0, 1, "incomplete", digest="half", finish_reason="length", declared_incomplete=True),
        call("c3", 0, 1, "incomplete", finish_reason="length", error_type="LengthFinishReasonError"),
    ]
    judged = judge(make_cell(rows, [served(f"c{i}", 0, 0) for i in range(4)]))
    assert list(judged.calls["outcome"]) == ["ok", "ok", "incomplete", "incomplete"]


def test_who_raises_on_a_truth_that_is_cut_is_incomplete() -> None:
    """It is no error of the provider's, unless a fault was in the answer."""
    raised = {"finish_reason": "length", "error_type": "LengthFinishReasonError", "digest": None}
    rows = [call(f"c{i}", 0, 1, "error", **raised) for i in range(2)] + [call("c2", 0, 1, "error")]
    answers = [served("c0", 0, 0), served("c1", 0, 0, faults=["finish_length"]), served("c2", 0, 0)]
    assert list(judge(make_cell(rows, answers)).calls["outcome"]) == ["incomplete", "error", "error"]


def test_what_the_end_of_the_cell_cut_off_is_unfinished() -> None:
    """The harness ended it, 10 s after the phases; what the application cancelled before is cancelled."""
    rows = [call("c0", 0, 20.0, "cancelled"), call("c1", 0, 19.0, "cancelled")]
    judged = judge(make_cell(rows, [served(f"c{i}", 0, 0) for i in range(2)]))
    assert list(judged.calls["outcome"]) == ["unfinished", "cancelled"]
    assert list(judged.calls["wait_s"]) == [20.0, 19.0]
