"""How much a client multiplies its load, planted and found again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.tables import Row, attempt, call, make_cell, measured, served

PHASES = (("first", 0.0, 10.0), ("second", 10.0, 20.0))


@given(tries=st.integers(1, 10), calls=st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_amplification_of_a_client_that_always_makes_n_attempts_is_n(tries: int, calls: int) -> None:
    """Exactly n attempts a call give an amplification of exactly n, on both sides."""
    rows = [call(f"c{i}", i / 10, 9) for i in range(calls)]
    arrived = [served(f"c{i}", n, i / 10 + n) for i in range(calls) for n in range(tries)]
    made = [attempt(f"c{i}", n, i / 10 + n, i / 10 + n + 0.5) for i in range(calls) for n in range(tries)]
    found = measured(make_cell(rows, arrived, made))
    assert found["amplification"] == tries
    assert found["client_amplification"] == tries


def test_amplification_does_not_count_calls_that_never_reached_the_server() -> None:
    """Calls that were shed, or swallowed on the way, do not dilute the amplification."""
    rows = [call("c0", 0, 1), call("c1", 1, 2, "shed"), call("c2", 2, 3, "error")]
    found = measured(make_cell(rows, [served("c0", 0, 0), served("c0", 1, 1)], [attempt("c2", 0, 2, 3)]))
    assert found["amplification"] == 2
    assert found["client_amplification"] == 1


def test_attempts_inherit_the_phase_of_their_call() -> None:
    """A retry that arrives in the next phase still belongs to the cohort of its call; load_factor goes by time."""
    rows = [call("c0", 9, 12), call("c1", 11, 12)]
    arrived = [served("c0", 0, 9), served("c0", 1, 11), served("c0", 2, 12), served("c1", 0, 11)]
    cell = make_cell(rows, arrived, phases=PHASES)
    first, second = measured(cell, "first"), measured(cell, "second")
    assert (first["amplification"], second["amplification"]) == (3, 1)
    assert (first["load_factor"], second["load_factor"]) == (1, 3)


def test_attempts_outside_the_phases_count_nowhere() -> None:
    """Warm-up and tail leave no trace in any metric of attempts."""
    rows = [call("w0", -1, 0), call("c0", 1, 2), call("t0", 11, 12)]
    arrived = [
        served("w0", 0, -1),
        served("w0", 1, 1),
        served("c0", 0, 1),
        served("t0", 0, 11),
        served("t0", 1, 12),
    ]
    found = measured(make_cell(rows, arrived))
    assert found["amplification"] == found["load_factor"] == found["peak_amplification"] == 1


def test_no_attempts_at_all_have_no_amplification() -> None:
    """A metric that applies and has no value is null, not absent and not zero."""
    found = measured(make_cell([call("c0", 0, 1, "shed")]))
    assert found["amplification"] is None
    assert found["client_amplification"] is None
    assert found["retry_yield"] is None


def test_attempts_the_driver_cannot_see_have_no_client_side() -> None:
    """Where the driver records no attempts the client's amplification is absent."""
    assert "client_amplification" not in measured(make_cell([call("c0", 0, 1)], [served("c0", 0, 0)]))


def test_the_peak_is_that_of_the_worst_five_seconds() -> None:
    """Ten retries in the window of five calls make 3; the rest of the run does not dilute them."""
    rows = [call(f"c{i}", i, i + 1) for i in range(20)]
    first = [served(f"c{i}", 0, i) for i in range(20)]
    again = [served("c6", n, 7 + n / 10) for n in range(1, 11)]
    assert measured(make_cell(rows, first + again, phases=(("only", 0.0, 20.0),)))["peak_amplification"] == 3


def test_retry_yield_is_good_calls_per_retry() -> None:
    """Four retries that rescued one call yield a quarter; a call that was good at once is not their merit."""
    rows = [call("c0", 0, 4, served_id="c0/2"), call("c1", 0, 4, "error"), call("c2", 0, 1)]
    arrived = (
        [served("c0", n, n) for n in range(3)] + [served("c1", n, n) for n in range(3)] + [served("c2", 0, 0)]
    )
    assert measured(make_cell(rows, arrived))["retry_yield"] == 0.25


def refused(call_id: str, number: int, at: float, wait_s: float | None, **more: object) -> Row:
    row = served(call_id, number, at - 0.1, last_byte_s=at, status=429, retry_after_promised_s=wait_s)
    return row | more


@pytest.mark.parametrize(
    ("back_at", "more", "expected"),
    [
        (2.0, {}, 0.0),
        (1.951, {}, 0.0),
        (1.94, {}, 1.0),
        (1.5, {"region": "elsewhere"}, None),
        (1.5, {"key_hash": "another"}, None),
        (1.5, {"model": "another"}, None),
    ],
)
def test_a_promise_runs_from_the_last_byte(back_at: float, more: Row, expected: float | None) -> None:
    """Coming back more than 50 ms early breaks a promise; going elsewhere neither breaks nor keeps it."""
    rows = [refused("c0", 0, 1.0, 1.0), served("c0", 1, back_at) | more]
    assert measured(make_cell([call("c0", 0, 3)], rows))["retry_after_violations"] == expected


def test_promises_are_only_judged_where_another_attempt_followed() -> None:
    """Of three promises one is broken, one kept and one never put to the test: a half."""
    calls = [call(f"c{i}", 0, 9) for i in range(4)]
    rows = [refused(f"c{i}", 0, 1.0, 2.0) for i in range(3)] + [refused("c3", 0, 1.0, None)]
    rows += [served("c0", 1, 1.5), served("c1", 1, 3.0), served("c3", 1, 1.0)]
    assert measured(make_cell(calls, rows))["retry_after_violations"] == 0.5


def retries_at(times: list[float]) -> float | None:
    rows = [served("c0", n + 1, t) for n, t in enumerate(times)]
    found = measured(make_cell([call("c0", 0, 3)], rows))["retry_synchrony"]
    assert found is None or isinstance(found, float)
    return found


def test_retries_in_step_are_synchronous() -> None:
    """A crowd of 40 in one bin of each block has the variance of that crowd over its mean."""
    crowd = [block * 2 + 0.05 for block in range(5) for _ in range(40)]
    assert retries_at(crowd) == pytest.approx(np.var([40] + [0] * 19, ddof=1) / 2)


def test_independent_retries_have_a_synchrony_of_one() -> None:
    """Poisson arrivals give 1, within the noise of 200 blocks."""
    rng = np.random.default_rng(1)
    assert retries_at(list(rng.uniform(0, 400, 10_000))) == pytest.approx(1, abs=0.1)


def test_too_few_retries_have_no_synchrony() -> None:
    """Four full blocks, or many thin ones, say nothing."""
    assert retries_at([block * 2 + n / 20 for block in range(4) for n in range(40)]) is None
    assert retries_at([block * 2 + n / 10 for block in range(40) for n in range(19)]) is None


def test_the_steps_of_an_agent_are_no_retries() -> None:
    """Five different requests of one call are five steps of one attempt each; a repeated one among them is a retry."""
    rows = [call(f"c{i}", i, i + 0.5) for i in range(4)]
    answers = [
        served(f"c{i}", 0, i + step / 10, step=step, served_id=f"c{i}/{step}/0")
        for i in range(4)
        for step in range(5)
    ]
    attempts = [attempt(f"c{i}", step, i + step / 10, i + step / 10) for i in range(4) for step in range(5)]
    found = measured(make_cell(rows, answers, attempts))
    names = ("steps_per_call", "amplification", "client_amplification", "load_factor", "peak_amplification")
    assert [found[name] for name in names] == [5.0, 1.0, 1.0, 1.0, 1.0]
    again = served("c0", 1, 0.6, step=3, served_id="c0/3/1")
    found = measured(make_cell(rows, [*answers, again], attempts))
    assert (found["steps_per_call"], found["amplification"]) == (5.0, 21 / 20)
    assert found["retry_yield"] == 1.0


def test_steps_are_absent_where_nobody_told_them_apart() -> None:
    """Records without the column say nothing of steps."""
    assert "steps_per_call" not in measured(make_cell([call("c0", 0, 1)], [served("c0", 0, 0)]))
