"""Goodput, corruption, deadlines, cost and work: planted and found again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.tables import Row, attempt, call, figures_of, make_cell, measured, served
from windtunnel.harness.contract.metrics import METRICS
from windtunnel.reports.metrics.figure import Figure, Figures
from windtunnel.reports.read.outcomes import judge

PRICES = {"input_per_million": 2.0, "output_per_million": 8.0}


def test_goodput_counts_everything_that_was_offered() -> None:
    """Good are the ok ones in time; late, corrupt, failed, shed and never started calls are not."""
    rows = [
        call("c0", 0, 1),
        call("c1", 1, 9),
        call("c2", 2, 3, digest="half"),
        call("c3", 3, 4, "error"),
        call("c4", 4, 4, "shed"),
        call("c5", 5, None, "cancelled", started_s=None),
    ]
    found = measured(make_cell(rows, [served(f"c{i}", 0, i) for i in range(4)]))
    assert found["offered"] == 6
    assert found["goodput"] == pytest.approx(1 / 6)


def test_without_a_deadline_the_objective_wait_decides() -> None:
    """load.objective_wait takes the deadline's place in goodput."""
    load = {"deadline": None, "objective_wait": "500ms"}
    rows = [call("c0", 0, 0.4), call("c1", 1, 1.6)]
    found = measured(make_cell(rows, [served("c0", 0, 0), served("c1", 0, 1)], load=load))
    assert found["goodput"] == 0.5


def test_the_error_budget_burns_by_the_objective() -> None:
    """A tenth of the calls lost burns a budget of one hundredth ten times over."""
    rows = [call(f"c{i}", i / 2, i / 2 + 1, "error" if i == 0 else "ok") for i in range(10)]
    cell = make_cell(rows, [served(f"c{i}", 0, i / 2) for i in range(10)])
    assert measured(cell, objective=0.99)["error_budget_burn"] == pytest.approx(10)
    assert measured(cell, objective=0.9)["error_budget_burn"] == pytest.approx(1)


def test_answers_of_an_own_model_are_told_apart() -> None:
    """A call without a region went to no provider; it is good, and counted."""
    rows = [
        call("c0", 0, 1),
        call("c1", 1, 2, region="", model="local", served_id="", digest="by itself"),
        call("c2", 2, 3, "error", region=""),
        call("c3", 3, 4),
    ]
    found = measured(make_cell(rows, [served(f"c{i}", 0, i) for i in (0, 2, 3)]))
    assert found["own_model_answers"] == 0.25
    assert found["goodput"] == 0.75
    assert "own_model_answers" not in measured(make_cell(rows[:1], [served("c0", 0, 0)]))


def test_silent_corruption_is_a_share_of_what_the_client_took_for_success() -> None:
    """One half answer among two successes is a half, whatever failed loudly beside them."""
    rows = [call("c0", 0, 1), call("c1", 0, 1, digest="half"), call("c2", 0, 1, "error")]
    found = measured(make_cell(rows, [served(f"c{i}", 0, 0) for i in range(3)]))
    assert found["silent_corruption"] == 0.5


def test_nothing_taken_for_success_has_no_corruption() -> None:
    """Without successes there is no share."""
    assert measured(make_cell([call("c0", 0, 1, "error")]))["silent_corruption"] is None


def test_overruns_are_those_beyond_a_quarter_of_a_second() -> None:
    """A call may end 250 ms after its own declared deadline, not later; without one the metric is absent."""
    rows = [call("c0", 0, 2.25, wait_budget_s=2.0), call("c1", 1, 3.26, "timeout", wait_budget_s=2.0)]
    assert measured(make_cell(rows))["deadline_overruns"] == 1
    assert "deadline_overruns" not in measured(make_cell([call("c0", 0, 9)]))


def work() -> tuple[list[Row], list[Row]]:
    rows = [call("c0", 0, 3, served_id="c0/1"), call("c1", 0, 9), call("c2", 0, 1, "timeout")]
    answers = [
        served("c0", 0, 0, tokens_billed=40, abandoned=True, tokens_sent=8, prompt_tokens_billed=10),
        served("c0", 1, 1, tokens_billed=40, prompt_tokens_billed=10),
        served("c1", 0, 0, tokens_billed=80, prompt_tokens_billed=20),
        served("c2", 0, 0, tokens_billed=None, prompt_tokens_billed=None, status=503),
    ]
    return rows, answers


def test_wasted_work_is_what_no_good_call_received() -> None:
    """Of 200 tokens billed, 50 went into the answer of the one good call."""
    assert measured(make_cell(*work()))["wasted_work"] == pytest.approx(0.75)


def test_tokens_after_stop_are_those_billed_and_not_sent() -> None:
    """A client that leaves after 8 of 40 billed tokens leaves 32 behind."""
    assert measured(make_cell(*work()))["tokens_after_stop"] == 32


def test_cost_goes_by_the_prices_of_the_scenario() -> None:
    """All tokens cost, those of the good call's answer were useful, and without prices there is no cost."""
    cell = make_cell(*work())
    found = measured(cell, prices=PRICES)
    assert found["cost_usd"] == pytest.approx((40 * 2 + 160 * 8) / 1e6)
    assert found["cost_useful_usd"] == pytest.approx((10 * 2 + 40 * 8) / 1e6)
    assert not {"cost_usd", "cost_useful_usd"} & set(measured(cell))


def test_side_effects_that_nobody_recorded_are_absent() -> None:
    """duplicate_effects needs a record of effects; with one it counts the calls that had more than one."""
    cell = make_cell(*work())
    assert "duplicate_effects" not in measured(cell)
    calls, answers = work()
    told = [row | {"effects": effects} for row, effects in zip(answers, (1, 1, 1, 0), strict=True)]
    assert measured(make_cell(calls, told))["duplicate_effects"] == 1


def test_connections_are_counted_by_their_first_request() -> None:
    """Two connections for four requests are a churn of a half."""
    rows = [call(f"c{i}", i, i + 1) for i in range(4)]
    answers = [served(f"c{i}", 0, i, connection_id=i // 2, connection_request_n=i % 2) for i in range(4)]
    assert measured(make_cell(rows, answers))["connection_churn"] == 0.5


def test_open_connections_are_the_clients_to_tell() -> None:
    """How many are open is the server's; whether one is lost or kept for reuse, only the client's pools say."""
    rows, answers = [call("c0", 0, 5)], [served("c0", 0, 0)]
    spans = [(-3.0, 1.0), (0.5, 3.0), (2.0, 6.9), (2.5, None), (2.6, 7.1)]
    listed = [{"connection_id": i, "opened_s": a, "closed_s": b} for i, (a, b) in enumerate(spans)]
    found = measured(make_cell(rows, answers, connections=listed))
    assert found["connections_peak"] == 4
    assert (found["connections_leaked"], found["connections_idle"]) == (None, None)
    pools = ({"pools": 2, "leaked": 1, "idle": 3}, {"pools": 1, "leaked": 2, "idle": 0})
    found = measured(replace(make_cell(rows, answers), pools=pools))
    assert (found["connections_leaked"], found["connections_idle"]) == (3, 3)
    assert "connections_peak" not in measured(make_cell(rows, answers))


@given(st.lists(st.sampled_from(["ok", "error", "timeout", "shed"]), min_size=1, max_size=60))
@settings(max_examples=30, deadline=None)
def test_shares_stay_between_zero_and_one(outcomes: list[str]) -> None:
    """Whatever happens to calls, goodput, corruption, yield and waste are shares."""
    rows = [call(f"c{i}", i / 10, i / 10 + 1, name) for i, name in enumerate(outcomes)]
    answers = [served(f"c{i}", n, i / 10) for i in range(len(outcomes)) for n in range(1 + i % 3)]
    found = measured(make_cell(rows, answers))
    assert found["goodput"] == pytest.approx(outcomes.count("ok") / len(outcomes))
    for name in ("goodput", "silent_corruption", "retry_yield", "wasted_work"):
        value = found[name]
        assert value is None or 0 <= value <= 1


def test_every_metric_is_in_the_table_with_its_definition() -> None:
    """What is measured is what is defined: no figure without a sentence."""
    found = measured(make_cell(*work()), prices=PRICES)
    assert set(found) <= set(METRICS)
    assert all(metric.definition.endswith(".") for metric in METRICS.values())


def with_unknown(*, late: bool = False, lost: int = 1) -> Figures:
    """Ten calls that the client took for success, of which `lost` have no served row to compare with."""
    rows = [call(f"c{i}", i / 10, i / 10 + (30.0 if late and i < lost else 0.5)) for i in range(10)]
    answers = [served(f"c{i}", 0, i / 10) for i in range(lost, 10)]
    prices = {"input_per_million": 1, "output_per_million": 2}
    return figures_of(judge(make_cell(rows, answers)), prices=prices)


def test_what_is_not_known_is_not_zero() -> None:
    """Calls whose outcome is unknown make null what they could change, with the reason; waits they do not change."""
    found = with_unknown(lost=10)
    for name in (
        "goodput",
        "silent_corruption",
        "cost_usd",
        "cost_useful_usd",
        "wasted_work",
        "amplification",
    ):
        assert found[name] == Figure(None, reason="the outcome of 10 of 10 calls is not known"), name
    assert found["wait_p50_s"].value == pytest.approx(0.5)


def test_an_unknown_outcome_matters_only_where_it_could_change_the_figure() -> None:
    """A call that ended after the deadline is not good, whatever its answer was."""
    assert with_unknown()["goodput"].reason == "the outcome of 1 of 10 calls is not known"
    found = with_unknown(late=True)
    assert found["goodput"] == Figure(0.9)
    assert found["silent_corruption"].value is None


def test_requests_that_belong_to_no_call_are_not_left_out_of_the_bill() -> None:
    """What was billed for requests that nobody can match to calls is not known, so it is not $0."""
    rows = [call(f"c{i}", i / 10, i / 10 + 0.5, "error") for i in range(10)]
    answers = [served(f"other{i}", 0, i / 10) for i in range(10)]
    prices = {"input_per_million": 1, "output_per_million": 2}
    found = figures_of(judge(make_cell(rows, answers)), prices=prices)
    assert found["cost_usd"] == Figure(None, reason="10 requests could not be matched to calls")
    assert found["goodput"] == Figure(0.0)


def test_tokens_generated_before_the_client_left_are_not_counted_after_it() -> None:
    """An answer in one piece that was generated and not yet sent is no work after the stop."""
    left = {"abandoned": True, "abandoned_at_s": 1.0, "tokens_billed": 100, "tokens_sent": 0}
    rows = [call("c0", 0, 1, "timeout"), call("c1", 0, 1, "timeout")]
    answers = [
        served("c0", 0, 0, **left, tokens_when_left=100),
        served("c1", 0, 0, **left, tokens_when_left=60),
    ]
    assert measured(make_cell(rows, answers))["tokens_after_stop"] == 40


def test_a_timeout_is_false_if_the_answer_would_have_come_in_time() -> None:
    """Given up at 2 s: false if content was due at 3 s, not if it was due after the deadline of 5 s, or never."""
    rows = [call(f"c{i}", 0, 9, "timeout") for i in range(3)]
    rows += [call("harness", 0, 9, "unfinished"), call("hedged", 0, 1)]
    left = {"abandoned": True, "abandoned_at_s": 2.0, "tokens_when_left": 0}
    due = {"c0": 3.0, "c1": 6.0, "c2": None, "harness": 3.0, "hedged": 3.0}
    answers = [served(name, 0, 0, **left, next_content_s=at) for name, at in due.items()]
    attempts = [
        attempt(name, 0, 0, 2, error_type="ReadTimeout" if name[0] == "c" else "Cancelled") for name in due
    ]
    found = measured(
        make_cell(rows, answers, attempts), prices={"input_per_million": 0, "output_per_million": 1e6}
    )
    assert (found["false_timeouts"], found["false_timeout_cost_usd"]) == (1, 10)
    older = [row | {"tokens_when_left": None, "next_content_s": None} for row in answers]
    assert "false_timeouts" not in measured(make_cell(rows, older, attempts))


def test_calls_that_their_own_client_held_up_are_told_by_what_held_them() -> None:
    """Only failed calls count, by what took more than half of their wait; a call that was shed waited for nothing."""
    rows = [
        call("c0", 0, 4, "timeout"),  # 3 of 4 s in the pool
        call("c1", 1, 5, "timeout"),  # 1 of 4 s in the pool
        call("c2", 2, 3, limiter_wait_s=0.9),  # good all the same
        call("c3", 3, 7, "deadline", limiter_wait_s=3.0),
        call("c4", 4, 4, "shed"),
        call("c5", 5, 9, "unfinished", started_s=None, lateness_cause="client_limit"),
        call("c6", 6, 10, "timeout", started_s=9, lateness_cause="client_limit"),
        call("c7", 7, 8, "timeout", started_s=7.9),  # late, but not by its own limit
    ]
    tries = [
        attempt("c0", 0, 0, 2, pool_wait_s=2.0),
        attempt("c0", 1, 2, 4, pool_wait_s=1.0),
        attempt("c1", 0, 1, 5, pool_wait_s=1.0),
    ]
    found = measured(make_cell(rows, [served("c2", 0, 2)], tries))
    assert found["held_by_pool"] == pytest.approx(1 / 8)
    assert found["held_by_limiter"] == pytest.approx(2 / 8)
    assert found["held_by_workers"] == pytest.approx(2 / 8)


def test_slots_in_use_are_counted_by_the_clock() -> None:
    """28 slots for 10 s, of which two calls held one for 7 s each; what was never answered held none."""
    answers = [
        served("c0", 0, 1, started_s=1.0, ended_s=8.0),
        served("c1", 0, 2, started_s=3.0, ended_s=10.0),
        served("c2", 0, 2, started_s=None, ended_s=9.0),
    ]
    found = measured(make_cell([call(f"c{i}", i, 9) for i in range(3)], answers))
    assert found["slots_used"] == pytest.approx(14 / 280)
