"""A measurement that cannot be trusted says so, and says why."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reports.tables import Row, attempt, call, lag, make_cell, quiet_lags, served
from windtunnel.reports.figures.validity import ValidityCheck, check_cell, worst
from windtunnel.reports.read.outcomes import judge
from windtunnel.reports.read.run_dir import CellRecords


def checks(cell: CellRecords) -> dict[str, ValidityCheck]:
    return {check.name: check for check in check_cell(judge(cell))}


def good_cell(**more: Any) -> CellRecords:
    rows = [call(f"c{i}", i / 10, i / 10 + 0.5) for i in range(100)]
    answers = [served(f"c{i}", 0, i / 10, last_byte_s=i / 10 + 0.499) for i in range(100)]
    return make_cell(**({"calls": rows, "served": answers, "lags": quiet_lags(10)} | more))


def test_a_quiet_machine_measures_well() -> None:
    """On a machine with nothing else to do every check passes, each with a sentence."""
    found = checks(good_cell())
    assert all(check.passed for check in found.values())
    assert found["receive_lag_p99_s"].value == pytest.approx(0.001)
    assert all(check.sentence.endswith(".") for check in found.values())


def late(cause: str) -> list[Row]:
    return [
        call(f"c{i}", i / 10, i / 10 + 0.5, started_s=i / 10 + 0.02, lateness_cause=cause) for i in range(100)
    ]


def test_a_late_generator_is_caught() -> None:
    """Calls started 20 ms late by the generator make the run invalid."""
    check = checks(good_cell(calls=late("")))["generator_lateness_p99_s"]
    assert not check.passed
    assert check.value == pytest.approx(0.02)
    assert (
        check.sentence == "Calls were started 20.0 ms after their time at the 99th percentile (limit 10 ms)."
    )


def test_the_clients_own_limits_are_not_the_generators_fault() -> None:
    """Waiting for the client's own worker or limiter is what is measured, not an error of measurement."""
    assert checks(good_cell(calls=late("client_limit")))["generator_lateness_p99_s"].passed


def test_a_client_process_that_drowns_for_a_second_is_caught() -> None:
    """One bad second of one process is enough, however long and quiet the rest."""
    drowning = [lag("loop", 5 + n / 50, 0.4, process=2) for n in range(50)]
    check = checks(good_cell(lags=quiet_lags(10) + drowning))["client_lag_p99_s"]
    assert not check.passed
    assert check.value == pytest.approx(0.4)


def test_lags_outside_the_measured_time_do_not_count() -> None:
    """What happens before t0, or once every measured call is past its deadline, disturbs nothing."""
    outside = [lag("hub", -1.0, 3.0), lag("server", -1.0, 3.0), lag("hub", 15.1, 3.0)]
    assert all(check.passed for check in checks(good_cell(lags=quiet_lags(10) + outside)).values())


def test_a_slow_server_loop_is_caught() -> None:
    """The mock's own lag counts like the client's."""
    slow = [lag("server", n / 10, 0.02) for n in range(100)]
    assert not checks(good_cell(lags=quiet_lags(10) + slow))["server_lag_p99_s"].passed


def test_lags_that_were_not_sampled_are_not_trusted() -> None:
    """No heartbeat is not a good heartbeat."""
    found = checks(good_cell(lags=[]))
    assert not found["server_lag_p99_s"].passed
    assert not found["client_lag_p99_s"].passed
    assert found["client_lag_p99_s"].value is None


@pytest.mark.parametrize(("wait_s", "passed"), [(0.5, False), (2.0, True)])
def test_the_receive_lag_may_be_two_percent_of_the_wait(wait_s: float, passed: bool) -> None:
    """30 ms are too much for waits of half a second, and fine where users wait 2 s."""
    rows = [call(f"c{i}", i / 20, i / 20 + wait_s) for i in range(100)]
    answers = [served(f"c{i}", 0, i / 20, last_byte_s=i / 20 + wait_s - 0.03) for i in range(100)]
    assert checks(good_cell(calls=rows, served=answers))["receive_lag_p99_s"].passed is passed


def test_nothing_received_has_no_lag() -> None:
    """A run in which every call failed can still be valid."""
    rows = [call(f"c{i}", i / 10, i / 10 + 0.5, "error") for i in range(100)]
    check = checks(good_cell(calls=rows))["receive_lag_p99_s"]
    assert check.passed
    assert check.value is None


def test_a_dropped_arrival_is_caught() -> None:
    """A scheduled call that was never started, though nothing of the client's held it back, invalidates the run."""
    rows = [call("c0", 0, 1), call("c1", 1, 2, "cancelled", started_s=None, lateness_cause="client_limit")]
    schedule = [{"call_id": f"c{i}", "intended_s": float(i)} for i in range(3)]
    found = checks(good_cell(calls=rows, served=[served("c0", 0, 0)], schedule=schedule))
    assert found["dropped_arrivals"].value == 1
    assert not found["dropped_arrivals"].passed


def test_a_call_cut_off_under_way_was_not_dropped() -> None:
    """In a run that was killed, a call with an attempt but no row had been started."""
    schedule = [{"call_id": f"c{i}", "intended_s": float(i)} for i in range(3)]
    cell = make_cell(
        [call("c0", 0, 1)],
        [served("c0", 0, 0), served("c1", 0, 1)],
        [attempt("c2", 0, 2, 3)],
        schedule=schedule,
        observed_s=9.0,
        state="interrupted",
    )
    assert checks(cell)["dropped_arrivals"].passed


def test_a_part_that_died_is_caught_and_named() -> None:
    """A mock or load process that dies makes the run invalid; an interruption by the user does not."""
    dead = checks(good_cell(state="failed"))["failed_cells"]
    assert (dead.value, dead.passed) == (1, False)
    assert checks(good_cell(state="interrupted"))["failed_cells"].passed


def test_cpu_is_that_of_the_busiest_process() -> None:
    """CPU seconds per second, informing without a limit."""
    lags = [
        lag("hub", n / 10, 0.0, cpu_s=share * n / 10, process=pid)
        for n in range(100)
        for pid, share in ((1, 0.2), (2, 0.7))
    ]
    check = checks(good_cell(lags=lags))["client_cpu_cores"]
    assert check.value == pytest.approx(0.7)
    assert check.passed


def test_the_worst_cell_speaks_for_the_run() -> None:
    """Of several cells a failed check wins over a passed one, then the one nearest its limit."""
    fine, near, bad = (
        ValidityCheck("a", v, limit, v <= limit, "") for v, limit in ((1, 10), (9, 10), (2, 1))
    )
    assert worst([(fine,), (near,), (bad,)]) == (bad,)
    assert worst([(fine,), (near,)]) == (near,)
