"""When a service came back, and whether it ever will: planted and found again."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.tables import STORM, Row, cell_plan, even_calls, figures_of, make_cell, measured, served
from windtunnel.reports.metrics import Recovery, recovery_of
from windtunnel.reports.metrics.change_point import binomial_cdf
from windtunnel.reports.metrics.figure import Figure, Figures
from windtunnel.reports.metrics.recovery import is_restored
from windtunnel.reports.read.outcomes import judge
from windtunnel.reports.read.run_dir import CellRecords

RATE = 14.0
NEVER: Sequence[tuple[float, float]] = [(0.0, 20.0)]


def measured_figures(cell: CellRecords) -> Figures:
    return figures_of(judge(cell))


def recovery(cell: CellRecords) -> Recovery:
    found = recovery_of(judge(cell), {})
    assert found is not None
    return found


def storm(
    good: Sequence[tuple[float, float]], *, rate: float = RATE, extra: Sequence[Row] = ()
) -> CellRecords:
    calls, answers = even_calls(rate, 70.0, good)
    return make_cell(calls, [*answers, *extra], phases=STORM)


@given(second=st.floats(30.5, 54.0))
@settings(max_examples=40, deadline=None)
def test_a_planted_recovery_is_found_at_the_call(second: float) -> None:
    """Good again from a known second on: recovery is the instant after the last failed call."""
    found = recovery(storm([(0.0, 20.0), (second, 70.0)], rate=100.0))
    assert found.recovered is True
    assert found.time_s == pytest.approx(second - 30.0, abs=0.011)


NOISE = 0.05


def noisy_storm(
    rate: float, seed: int, *, later: float, meanwhile: float = 0.2, then: float = 1.0
) -> CellRecords:
    """A provider that fails 5 % of its calls at any time, and after the outage is as good as before `later` s late.

    `meanwhile` and `then` are shares of what was good before.
    """
    draw = np.random.default_rng(seed)
    calls, answers = even_calls(rate, 100.0)
    for row in calls:
        at = row["intended_s"]
        share = 0.0 if 30 <= at < 40 else meanwhile if 40 <= at < 40 + later else then if at >= 40 else 1.0
        row["outcome"] = "ok" if draw.random() < share * (1 - NOISE) else "error"
    phases = (("healthy", 0.0, 30.0), ("brownout", 30.0, 40.0), ("after", 40.0, 100.0))
    return make_cell(calls, answers, phases=phases)


@pytest.mark.parametrize("rate", [4.0, 14.0])
@pytest.mark.parametrize("later", [0.0, 8.0, 20.0])
def test_background_failures_neither_hide_nor_feign_a_recovery(rate: float, later: float) -> None:
    """With 5 % of calls failing at any time, a planted recovery is found within 1 s in at least 19 of 20 seeds."""
    found = [recovery(noisy_storm(rate, seed, later=later)) for seed in range(20)]
    right = [one.recovered is True and abs((one.time_s or 0.0) - later) <= 1.0 for one in found]
    assert sum(right) >= 19


@pytest.mark.parametrize("rate", [4.0, 14.0])
def test_three_quarters_of_what_was_good_is_no_recovery(rate: float) -> None:
    """A client that stays at 0.75 of its goodput is unrecovered in at least 17 of 20 seeds."""
    found = [recovery(noisy_storm(rate, seed, later=0.0, then=0.75)) for seed in range(20)]
    assert sum(one.recovered is False for one in found) >= 17


@given(st.integers(1, 60), st.floats(0.01, 0.99), st.data())
@settings(deadline=None)
def test_the_binomial_test_is_exact(count: int, share: float, data: st.DataObject) -> None:
    """The chance of at most so many successes, summed up one by one."""
    most = data.draw(st.integers(0, count))
    expected = sum(math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(most + 1))
    assert binomial_cdf(most, count, share) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_too_few_calls_tell_nothing() -> None:
    """At one call a second some failures leave it open; where nothing failed, there is nothing to recover from."""
    found = measured_figures(storm([(0.0, 20.0), (38.0, 70.0)], rate=1.0))
    assert found["recovered"] == found["time_to_recover_s"] == Figure(None, reason="too few calls to say")
    assert recovery(storm([(0.0, 70.0)], rate=1.0)).time_s == 0
    assert recovery(storm([(0.0, 70.0)], rate=0.4)).recovered is None


def test_what_was_never_lost_is_recovered_at_once() -> None:
    """A client that shows no trace of the incident recovers at 0 s."""
    assert recovery(storm([(0.0, 70.0)])).time_s == 0


def test_a_relapse_postpones_the_recovery() -> None:
    """Twelve good seconds between two bad ones are no recovery: it has to last."""
    found = recovery(storm([(0.0, 20.0), (32.0, 44.0), (46.0, 70.0)], rate=100.0))
    assert found.time_s == pytest.approx(46.0 - 30.0, abs=0.1)


def test_no_recovery_is_censored_at_the_end() -> None:
    """An unrecovered run says so, and for how long one looked."""
    found = measured(storm(NEVER))
    assert found["recovered"] is False
    assert found["time_to_recover_s"] == found["recovery_observed_s"] == 40.0
    assert found["recovery_observed_s"] == 40


def test_too_late_to_be_confirmed_is_not_recovered() -> None:
    """A recovery needs 15 s after it to be told from chance."""
    assert recovery(storm([(0.0, 20.0), (54.9, 70.0)])).recovered is True
    assert recovery(storm([(0.0, 20.0), (60.0, 70.0)])).recovered is False


def test_recovery_is_relative_to_what_was_before() -> None:
    """A service that answered half of its calls before has recovered when it does so again."""
    calls, answers = even_calls(20.0, 70.0)
    for index, row in enumerate(calls):
        if 20 <= row["intended_s"] < 40 or index % 2:
            row["outcome"] = "error"
    found = recovery(make_cell(calls, answers, phases=STORM))
    assert found.goodput_before == 0.5
    assert found.time_s == pytest.approx(10.0, abs=0.2)


def test_recovery_needs_a_before_and_an_after() -> None:
    """Without a phase before the first faulty one, or after the last, the metrics of recovery are absent."""
    calls, answers = even_calls(10.0, 20.0)
    for phases in (
        (("brownout", 0.0, 10.0), ("after", 10.0, 20.0)),
        (("healthy", 0.0, 10.0), ("brownout", 10.0, 20.0)),
        (("healthy", 0.0, 10.0), ("also healthy", 10.0, 20.0)),
    ):
        found = measured(make_cell(calls, answers, phases=phases))
        assert not {"recovered", "time_to_recover_s", "metastable", "draining"} & set(found)


def test_a_service_that_never_worked_has_nothing_to_recover() -> None:
    """Without a single good call before the fault the metrics apply and are null."""
    found = measured(storm([(30.0, 70.0)]))
    assert found["recovered"] is None
    assert found["time_to_recover_s"] is None


def test_a_run_cut_off_before_it_could_be_told_is_not_called_unrecovered() -> None:
    """Cut off after the fault, recovery is unknown; a recovery seen before the cut stays one."""
    calls, answers = even_calls(RATE, 70.0, [(0.0, 20.0), (32.0, 70.0)])
    early = make_cell(calls, answers, phases=STORM, observed_s=45.0, state="interrupted")
    late = make_cell(calls, answers, phases=STORM, observed_s=60.0, state="interrupted")
    assert recovery(early).recovered is None
    assert recovery(late).recovered is True


def retries(per_second: float, start_s: float, end_s: float) -> list[Row]:
    times = np.arange(start_s, end_s, 1 / per_second)
    return [served(f"c{int(t * RATE)}", 1, t, queue_depth=100) for t in times]


def test_too_little_time_after_the_fault_is_no_verdict() -> None:
    """Where the phases end too soon for anybody to hold 10 s of health, nobody is called unrecovered."""
    phases = (("before", 0.0, 10.0), ("brownout", 10.0, 30.0), ("after", 30.0, 40.0))
    calls, answers = even_calls(RATE, 40.0, [(0.0, 10.0), (30.0, 40.0)])
    found = recovery(make_cell(calls, answers, phases=phases))
    assert found.recovered is None
    assert found.time_s is None


def test_sustained_amplification_is_metastable() -> None:
    """Unrecovered, observed long enough, provider restored, load that fits, and twice the attempts: metastable."""
    found = recovery(storm(NEVER, extra=retries(RATE, 20, 70)))
    assert (found.metastable, found.draining) == (True, False)


def test_useless_work_alone_is_metastable_too() -> None:
    """Without one extra attempt, work that nobody receives keeps the overload alive."""
    assert recovery(storm(NEVER)).metastable is True


def test_a_falling_queue_is_draining() -> None:
    """An unrecovered service whose queue gets shorter is on its way back."""
    calls, answers = even_calls(RATE, 70.0, NEVER)
    for row in answers:
        row["queue_depth"] = int(max(0.0, 90 - row["arrived_s"]))
    found = recovery(make_cell(calls, answers, phases=STORM))
    assert (found.metastable, found.draining) == (False, True)


def test_an_overload_by_intention_is_not_metastable() -> None:
    """A load of more than 0.9 of the provider's capacity explains itself."""
    found = recovery(storm(NEVER, rate=26.0))
    assert (found.metastable, found.draining) == (False, True)


def test_observed_for_too_short_is_neither() -> None:
    """Less than two fault lengths after the fault, nothing is said about what sustains itself."""
    phases = (("healthy", 0.0, 20.0), ("brownout", 20.0, 40.0), ("after", 40.0, 70.0))
    found = measured(make_cell(*even_calls(RATE, 70.0, NEVER), phases=phases))
    assert found["recovered"] is False
    assert found["metastable"] is None
    assert found["draining"] is None


def test_a_recovered_run_is_neither() -> None:
    """What has recovered is not metastable, however short the look at it."""
    found = recovery(storm([(0.0, 70.0)]))
    assert (found.metastable, found.draining) == (False, False)


def test_parameters_that_stay_changed_are_not_restored() -> None:
    """Only a provider that is as it was before the fault can be said to be stuck."""
    plan = cell_plan(STORM)["server_plan"]
    assert is_restored(make_cell(phases=STORM))
    plan["phases"][2]["provider"] = {"capacity": {"slots": 10}}
    assert not is_restored(make_cell(phases=STORM, server_plan=plan))
