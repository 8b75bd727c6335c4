"""A measurement that cannot be trusted says so, and says why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.reports.tables import Row, attempt, call, lag, make_cell, quiet_lags, served
from windtunnel.reports.figures.lag_limits import typical_wait
from windtunnel.reports.figures.validity import (
    ValidityCheck,
    check_cell,
    needs_real_time,
    remedies,
    valid_if,
    worst,
)
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
    assert {check.state for check in found.values()} == {"valid"}
    assert found["receive_lag_p99_s"].value == pytest.approx(0.001)
    assert all(check.sentence.endswith(".") for check in found.values())


def test_the_way_through_a_link_is_no_lateness_of_the_client() -> None:
    """On a link the client cannot have the last byte when it is written, but when it has come through."""
    there = [
        served(f"c{i}", 0, i / 10, last_byte_s=i / 10 + 0.4, delivered_s=i / 10 + 0.495) for i in range(100)
    ]
    check = checks(good_cell(served=there))["receive_lag_p99_s"]
    assert (check.state, check.value) == ("valid", pytest.approx(0.005))


def late(cause: str, by_s: float = 0.03, wait_s: float = 0.5) -> list[Row]:
    return [
        call(f"c{i}", i / 10, i / 10 + wait_s, started_s=i / 10 + by_s, lateness_cause=cause)
        for i in range(100)
    ]


def test_a_late_generator_is_caught() -> None:
    """Calls started 30 ms late by the generator make the run invalid, where users wait half a second."""
    check = checks(good_cell(calls=late("")))["generator_lateness_p99_s"]
    assert check.state == "invalid"
    assert check.value == pytest.approx(0.03)
    limits = "(limit 10 ms, noisy up to 25 ms)"
    assert check.sentence == f"Calls were started 30.0 ms late at the 99th percentile {limits}."


@pytest.mark.parametrize(
    ("by_s", "wait_s", "state"),
    [
        (0.0099, 0.5, "valid"),
        (0.011, 0.5, "noisy"),
        (0.0249, 0.5, "noisy"),
        (0.026, 0.5, "invalid"),
        (0.019, 2.0, "valid"),
        (0.021, 2.0, "noisy"),
        (0.099, 2.0, "noisy"),
        (0.101, 2.0, "invalid"),
    ],
)
def test_a_lag_counts_against_the_wait_that_it_could_move(by_s: float, wait_s: float, state: str) -> None:
    """10 ms or 1 % of the typical wait move nothing, 25 ms or 5 % a little; more than that is invalid."""
    cell = good_cell(calls=late("", by_s, wait_s))
    assert checks(cell)["generator_lateness_p99_s"].state == state


@pytest.mark.parametrize(("by_s", "state"), [(0.019, "valid"), (0.021, "noisy"), (0.041, "invalid")])
def test_a_lag_counts_against_the_shortest_timeout_that_fired(by_s: float, state: str) -> None:
    """Where users wait 4 s, 20 ms late is little, but not if a timeout of 0.4 s was measured."""
    rows = late("", by_s, 4.0)
    cut = attempt("c0", 0, 1.0, 1.4, error_type="ReadTimeout")
    pool = attempt("c1", 0, 1.0, 2.0, error_type="PoolTimeout")
    assert checks(good_cell(calls=rows, attempts=[cut, pool]))["generator_lateness_p99_s"].state == state


def test_the_typical_wait_is_that_of_the_phase_with_the_most_good_calls() -> None:
    """The waits of a brownout do not excuse lags; a phase of fewer than 20 good calls says nothing."""
    rows = [call(f"a{i}", i / 10, i / 10 + 1.0) for i in range(100)]
    rows += [call(f"b{i}", 10 + i / 10, 10 + i / 10 + 4.0, "ok" if i % 2 else "error") for i in range(100)]
    rows += [call(f"c{i}", 20 + i / 10, 20 + i / 10 + 0.1) for i in range(19)]
    phases = (("before", 0.0, 10.0), ("brownout", 10.0, 20.0), ("after", 20.0, 30.0))
    answers = [served(row["call_id"], 0, row["intended_s"]) for row in rows]
    assert typical_wait(judge(make_cell(rows, answers, phases=phases))) == pytest.approx(1.0)
    assert typical_wait(judge(make_cell(rows[200:], answers[200:], phases=phases))) is None


def test_what_helps_is_said() -> None:
    """A lag names fewer cells and the virtual clock as remedies; a measurement that is valid needs none."""
    assert "--jobs 1" in remedies(check_cell(judge(good_cell(calls=late("")))))[0]
    assert remedies(check_cell(judge(good_cell()))) == ()


def test_the_virtual_clock_is_no_remedy_for_a_program() -> None:
    """It is real time or nothing for a client that is a program, and behind a gateway."""
    checks = check_cell(judge(good_cell(calls=late(""))))
    assert ["--clock virtual" in remedies(checks, real_only=only)[0] for only in (False, True)] == [
        True,
        False,
    ]
    assert needs_real_time({"profile": {"driver": "exec"}})
    assert needs_real_time({"profile": {"driver": "openai"}, "gateway": {"name": "litellm"}})
    assert not needs_real_time({"profile": {"driver": "openai"}})


def test_a_client_that_reads_on_after_the_end_is_not_late() -> None:
    """Who drains a connection that stays open, or closes it early, says nothing of the harness."""
    rows = [call(f"c{i}", i / 10, i / 10 + 3.0) for i in range(100)]
    answers = [served(f"c{i}", 0, i / 10, last_byte_s=i / 10 + 0.5) for i in range(100)]
    draining = [row | {"faults": ["open_after_done"]} for row in answers]
    assert checks(good_cell(calls=rows, served=answers))["receive_lag_p99_s"].state == "invalid"
    assert checks(good_cell(calls=rows, served=draining))["receive_lag_p99_s"].state == "valid"


def test_the_clients_own_limits_are_not_the_generators_fault() -> None:
    """Waiting for the client's own worker or limiter is what is measured, not an error of measurement."""
    assert checks(good_cell(calls=late("client_limit")))["generator_lateness_p99_s"].state == "valid"


def test_a_client_process_that_drowns_for_a_second_is_caught() -> None:
    """One bad second of one process is enough, however long and quiet the rest."""
    drowning = [lag("loop", 5 + n / 50, 0.4, process=2) for n in range(50)]
    check = checks(good_cell(lags=quiet_lags(10) + drowning))["client_lag_p99_s"]
    assert check.state == "invalid"
    assert check.value == pytest.approx(0.4)


def test_lags_outside_the_measured_time_do_not_count() -> None:
    """What happens before t0, or once every measured call is past its deadline, disturbs nothing."""
    outside = [lag("hub", -1.0, 3.0), lag("server", -1.0, 3.0), lag("hub", 15.1, 3.0)]
    found = checks(good_cell(lags=quiet_lags(10) + outside))
    assert {check.state for check in found.values()} == {"valid"}


def test_a_slow_server_loop_is_caught() -> None:
    """The mock's own lag counts like the client's."""
    slow = [lag("server", n / 10, 0.03) for n in range(100)]
    assert checks(good_cell(lags=quiet_lags(10) + slow))["server_lag_p99_s"].state == "invalid"


def test_lags_that_were_not_sampled_are_not_trusted() -> None:
    """No heartbeat is not a good heartbeat."""
    found = checks(good_cell(lags=[]))
    assert found["server_lag_p99_s"].state == "invalid"
    assert found["client_lag_p99_s"].state == "invalid"
    assert found["client_lag_p99_s"].value is None


@pytest.mark.parametrize(("wait_s", "state"), [(0.5, "invalid"), (2.0, "noisy"), (4.0, "valid")])
def test_the_receive_lag_may_be_a_share_of_the_wait(wait_s: float, state: str) -> None:
    """30 ms are too much for waits of half a second, and fine where users wait 4 s."""
    rows = [call(f"c{i}", i / 20, i / 20 + wait_s) for i in range(100)]
    answers = [served(f"c{i}", 0, i / 20, last_byte_s=i / 20 + wait_s - 0.03) for i in range(100)]
    assert checks(good_cell(calls=rows, served=answers))["receive_lag_p99_s"].state == state


def test_the_time_of_a_program_is_its_own() -> None:
    """A client in another process may take long for an answer that it has: this machine was not late for that."""
    answers = [served(f"c{i}", 0, i / 10, last_byte_s=i / 10 + 0.1) for i in range(100)]
    cell = good_cell(served=answers)
    assert checks(cell)["receive_lag_p99_s"].state == "invalid"
    of_a_program = replace(cell, plan={**cell.plan, "profile": {"driver": "exec"}})
    check = checks(of_a_program)["receive_lag_p99_s"]
    assert (check.state, check.value) == ("valid", None)


def test_who_reads_a_shared_connection_is_the_clients_affair() -> None:
    """Over HTTP/2 a call may hear late of an answer that another one has read: this machine was not late for that."""
    cell = good_cell(served=[served(f"c{i}", 0, i / 10, last_byte_s=i / 10 + 0.1) for i in range(100)])
    shared = replace(cell, plan={**cell.plan, "profile": {"driver": "httpx2", "http": "2"}})
    check = checks(shared)["receive_lag_p99_s"]
    assert (check.state, check.value) == ("valid", None)


@pytest.mark.parametrize("where", ["provider", "phase"])
def test_the_way_through_a_link_is_not_the_harness_being_late(where: str) -> None:
    """An answer from 100 ms away arrives 100 ms later; one of a region without a link still shows a lag."""
    rows = [call(f"c{i}", i / 10, i / 10 + 0.5) for i in range(100)]
    answers = [served(f"c{i}", 0, i / 10, last_byte_s=i / 10 + 0.4, region="far") for i in range(100)]
    linked = {"provider": {"regions": {"far": {"link": {"rtt": "200ms"}}, "near": {"link": None}}}}
    server_plan = linked if where == "provider" else {"phases": [{"name": "on", **linked}]}
    cell = good_cell(calls=rows, served=answers)
    cell = replace(cell, plan={**cell.plan, "server_plan": server_plan})
    assert checks(cell)["receive_lag_p99_s"].state == "valid"
    near = good_cell(calls=rows, served=[row | {"region": "near"} for row in answers])
    near = replace(near, plan={**near.plan, "server_plan": server_plan})
    assert checks(near)["receive_lag_p99_s"].state == "invalid"


def test_nothing_received_has_no_lag() -> None:
    """A run in which every call failed can still be valid."""
    rows = [call(f"c{i}", i / 10, i / 10 + 0.5, "error") for i in range(100)]
    check = checks(good_cell(calls=rows))["receive_lag_p99_s"]
    assert check.state == "valid"
    assert check.value is None


def test_a_dropped_arrival_is_caught() -> None:
    """A scheduled call that was never started, though nothing of the client's held it back, invalidates the run."""
    rows = [call("c0", 0, 1), call("c1", 1, 2, "cancelled", started_s=None, lateness_cause="client_limit")]
    schedule = [{"call_id": f"c{i}", "intended_s": float(i)} for i in range(3)]
    found = checks(good_cell(calls=rows, served=[served("c0", 0, 0)], schedule=schedule))
    assert found["dropped_arrivals"].value == 1
    assert found["dropped_arrivals"].state == "invalid"


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
    assert checks(cell)["dropped_arrivals"].state == "valid"


def test_a_part_that_died_is_caught_and_named() -> None:
    """A mock or load process that dies makes the run invalid; an interruption by the user does not."""
    dead = checks(good_cell(state="failed"))["failed_cells"]
    assert (dead.value, dead.state) == (1, "invalid")
    assert checks(good_cell(state="interrupted"))["failed_cells"].state == "valid"


def test_cpu_is_that_of_the_busiest_process() -> None:
    """CPU seconds per second, informing without a limit."""
    lags = [
        lag("hub", n / 10, 0.0, cpu_s=share * n / 10, process=pid)
        for n in range(100)
        for pid, share in ((1, 0.2), (2, 0.7))
    ]
    check = checks(good_cell(lags=lags))["client_cpu_cores"]
    assert check.value == pytest.approx(0.7)
    assert check.state == "valid"


def test_the_worst_cell_speaks_for_the_run() -> None:
    """Of several cells the worst state wins, then the one nearest its limit."""
    fine, near, bad = (
        ValidityCheck("a", v, limit, valid_if(v <= limit), "") for v, limit in ((1, 10), (9, 10), (2, 1))
    )
    noisy = ValidityCheck("a", 2, 10, "noisy", "")
    assert worst([(near,), (noisy,)]) == (noisy,)
    assert worst([(fine,), (near,), (bad,)]) == (bad,)
    assert worst([(fine,), (near,)]) == (near,)


def test_when_a_stream_of_a_shared_connection_is_read_is_the_librarys_affair() -> None:
    """An answer over HTTP/2 that ends late was late in the client: it is no lag of the machine."""
    late_end = [served(f"c{i}", 0, i / 10, last_byte_s=i / 10 + 0.4) for i in range(100)]
    assert checks(good_cell(served=late_end))["receive_lag_p99_s"].state == "invalid"
    over_http2 = [row | {"http_version": "2"} for row in late_end]
    check = checks(good_cell(served=over_http2))["receive_lag_p99_s"]
    assert (check.value, check.state) == (None, "valid")
