"""Times from the raw samples: what users wait, and what a closed loop would have said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.tables import attempt, call, figures_of, make_cell, measured, served
from windtunnel.reports.metrics.figure import Figure, Figures
from windtunnel.reports.metrics.times import POINTS, Samples, percentile_of
from windtunnel.reports.read.outcomes import judge

STALLING = {"rules": [{"fault": "stall", "with": {"seconds": "5s"}}], "phases": []}


def test_latency_runs_from_the_intended_time() -> None:
    """A call that waited 2 s for a worker and was served in 1 s has a latency of 3 s and a service time of 1 s."""
    cell = make_cell([call("c0", 0, 3, started_s=2.0)], [served("c0", 0, 2)], [attempt("c0", 0, 2.0, 3.0)])
    found = measured(cell)
    assert found["latency_p50_s"] == found["wait_max_s"] == 3
    assert found["service_p50_s"] == 1


def test_service_counts_from_the_first_request() -> None:
    """Retries are part of what a call's service takes."""
    made = [attempt("c0", 0, 1.0, 2.0), attempt("c0", 1, 2.5, 4.0)]
    assert measured(make_cell([call("c0", 0, 4)], [served("c0", 0, 1)], made))["service_max_s"] == 3


def test_failed_calls_wait_but_have_no_latency() -> None:
    """Giving up after 4 s is a wait of 4 s; only answers have latencies."""
    found = measured(make_cell([call("c0", 0, 4, "timeout")]))
    assert found["wait_p50_s"] == 4
    assert found["latency_p50_s"] is None


@given(st.lists(st.floats(0, 5), min_size=1, max_size=80))
@settings(max_examples=30, deadline=None)
def test_percentiles_come_from_the_raw_samples(waits: list[float]) -> None:
    """Every percentile is numpy's over the samples themselves, and the maximum is one of them."""
    rows = [call(f"c{i}", 1.0, 1.0 + wait, "error") for i, wait in enumerate(waits)]
    found = measured(make_cell(rows))
    samples = np.array([1.0 + wait for wait in waits]) - 1.0
    for name, q in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)):
        assert found[f"wait_{name}_s"] == pytest.approx(np.quantile(samples, q), abs=1e-12)


def test_first_content_and_pauses_belong_to_streams() -> None:
    """ttft runs from the intended time, pauses are pooled over calls; both are absent without streams."""
    rows = [
        call("c0", 0, 3, first_token_s=1.0, gaps_s=[0.1, 0.3]),
        call("c1", 1, 4, first_token_s=1.5, gaps_s=[0.2]),
    ]
    found = measured(make_cell(rows))
    assert found["ttft_max_s"] == 1.0
    assert found["inter_token_p50_s"] == pytest.approx(0.2)
    plain = measured(make_cell(rows, load={"stream": False}))
    assert not any(name.startswith(("ttft", "inter_token")) for name in plain)


def test_a_stall_of_everything_shows_in_the_latency_and_not_in_the_service() -> None:
    """200 calls/s through one worker that stops for 5 s: p99 from the intended time is about 4.8 s."""
    times = np.arange(4000) / 200
    ended = np.where((times >= 5) & (times < 10), 10.0, times) + 0.009
    rows = [call(f"c{i}", t, e) for i, (t, e) in enumerate(zip(times, ended, strict=True))]
    made = [attempt(f"c{i}", 0, e - 0.009, e) for i, e in enumerate(ended)]
    answers = [served(f"c{i}", 0, e - 0.009) for i, e in enumerate(ended)]
    found = measured(make_cell(rows, answers, made, phases=(("all", 0.0, 20.0),), load={"deadline": "10s"}))
    assert found["latency_p99_s"] == pytest.approx(4.8, rel=0.01)
    assert found["service_p99_s"] == pytest.approx(0.009, abs=1e-6)


def test_a_hang_runs_from_the_last_content_to_giving_up() -> None:
    """Silence counts from the last content, from sending where none came, and only of those who gave up."""
    rows = [call(f"c{i}", 0, 9, "timeout") for i in range(4)]
    faults = [["stall"], ["overloaded", "hang"], [], ["stall"]]
    answers = [served(f"c{i}", 0, 0, faults=names) for i, names in enumerate(faults)]
    made = [
        attempt("c0", 0, 0.0, 5.0, last_content_s=3.0, error_type="ReadTimeout"),
        attempt("c1", 0, 0.5, 4.5, error_type="ReadTimeout"),
        attempt("c2", 0, 0.0, 9.0, error_type="ReadTimeout"),
        attempt("c3", 0, 0.0, 8.0, last_content_s=7.5),
    ]
    found = measured(make_cell(rows, answers, made))
    assert found["hang_max_s"] == 4
    assert found["hang_p50_s"] == 3


def test_hangs_are_absent_where_nothing_can_stall() -> None:
    """A plan with a stall has the metric, null if nobody gave up; a plan without has not."""
    rows, answers, made = [call("c0", 0, 1)], [served("c0", 0, 0)], [attempt("c0", 0, 0.0, 1.0)]
    assert "hang_p50_s" not in measured(make_cell(rows, answers, made))
    assert measured(make_cell(rows, answers, made, server_plan=STALLING))["hang_p50_s"] is None


def test_stop_lag_is_from_the_client_leaving_to_the_server_seeing_it() -> None:
    """The two ends of an abandoned attempt are matched by call and number; a lag is never negative."""
    rows = [call("c0", 0, 4, "timeout")]
    answers = [
        served("c0", 0, 0, abandoned=True, abandoned_at_s=2.03),
        served("c0", 1, 2.1, abandoned=True, abandoned_at_s=3.999),
    ]
    made = [
        attempt("c0", 0, 0.0, 2.0, error_type="ReadTimeout"),
        attempt("c0", 1, 2.1, 4.0, error_type="ReadTimeout"),
    ]
    found = measured(make_cell(rows, answers, made))
    assert found["stop_lag_p50_s"] == pytest.approx(0.015)
    assert measured(make_cell(rows, answers))["stop_lag_p50_s"] is None


def cut_off(bounds: list[float], *, ended: float = 1.0, count: int = 10) -> Figures:
    """`count` calls that ended after `ended` seconds, and one for each bound that the end of the run cut off."""
    rows = [call(f"c{i}", i / 10, i / 10 + ended) for i in range(count)]
    rows += [call(f"u{i}", 5.0, 5.0 + bound, "unfinished") for i, bound in enumerate(bounds)]
    return figures_of(judge(make_cell(rows, [served(f"c{i}", 0, i / 10) for i in range(count)])))


def test_a_wait_that_the_end_cut_off_is_a_lower_bound() -> None:
    """It is entered at its bound: the maximum is at least that, a percentile below the bound is exact."""
    found = cut_off([86.0])
    assert found["wait_max_s"] == Figure(86.0, censored=True)
    assert found["wait_p50_s"] == Figure(1.0)


def test_a_percentile_is_exact_only_below_every_cut_off_value() -> None:
    """A call cut off after 0.5 s may have waited for ever: no percentile from there on is exact."""
    found = cut_off([0.5])
    assert found["wait_p50_s"] == Figure(1.0, censored=True)
    assert not found["latency_max_s"].censored


def test_a_hang_that_the_end_cut_off_is_a_lower_bound() -> None:
    """The attempt in a stall that ran when the run ended hung at least so long."""
    rows = [call("c0", 0.0, 86.0, "unfinished")]
    answers = [served("c0", 0, 0.0, faults=["stall"], abandoned=True, abandoned_at_s=86.0)]
    attempts = [attempt("c0", 0, 0.0, 86.0, error_type="CancelledError")]
    found = figures_of(judge(make_cell(rows, answers, attempts)))
    assert found["hang_max_s"] == Figure(86.0, censored=True)
    assert found["stop_lag_p50_s"].value is None


@given(
    st.lists(st.tuples(st.floats(0, 100), st.booleans(), st.floats(0, 100)), min_size=1, max_size=30),
    st.sampled_from(sorted(POINTS.values())),
)
@settings(deadline=None)
def test_what_is_called_exact_is_so_whatever_the_cut_off_values_are(
    waits: list[tuple[float, bool, float]], q: float
) -> None:
    """However much longer the cut-off waits are, an exact percentile stays, and a bound stays below."""
    seconds = np.array([wait for wait, _, _ in waits])
    cut = np.array([is_cut for _, is_cut, _ in waits])
    longer = seconds + np.array([more if is_cut else 0.0 for _, is_cut, more in waits])
    found = percentile_of(Samples(seconds, cut), q)
    assert found is not None
    really = float(np.quantile(longer, q))
    assert float(found.value or 0) <= really + 1e-9
    if not found.censored:
        assert found.value == pytest.approx(really)


def test_the_first_token_of_whole_answers_is_absent() -> None:
    """A callable that returns its text in one piece has no first token, and its latency is none."""
    cell = make_cell([call("c0", 0, 3, first_token_s=None)], [served("c0", 0, 0)])
    assert not {"ttft_p50_s", "inter_token_p50_s"} & set(measured(cell))
    assert "ttft_p50_s" in measured(make_cell([call("c0", 0, 3, first_token_s=1.0)], [served("c0", 0, 0)]))
