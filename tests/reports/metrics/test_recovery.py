"""When a service came back, and whether it ever will: planted and found again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reports.tables import STORM, Row, cell_plan, even_calls, make_cell, measured, served
from windtunnel.reports.metrics import Recovery, recovery_of
from windtunnel.reports.metrics.recovery import GoodputGrid, is_restored
from windtunnel.reports.read.outcomes import judge
from windtunnel.reports.read.run_dir import CellRecords

RATE = 14.0
NEVER: Sequence[tuple[float, float]] = [(0.0, 20.0)]


def recovery(cell: CellRecords) -> Recovery:
    found = recovery_of(judge(cell), {})
    assert found is not None
    return found


def storm(
    good: Sequence[tuple[float, float]], *, rate: float = RATE, extra: Sequence[Row] = ()
) -> CellRecords:
    calls, answers = even_calls(rate, 70.0, good)
    return make_cell(calls, [*answers, *extra], phases=STORM)


@given(second=st.floats(30.0, 54.0))
@settings(max_examples=40, deadline=None)
def test_a_planted_recovery_is_found_within_a_tenth_of_a_second(second: float) -> None:
    """Good again from a known second on: recovery is where a window of 5 s first holds 95 % good calls."""
    found = recovery(storm([(0.0, 20.0), (second, 70.0)], rate=100.0))
    assert found.recovered is True
    assert found.time_s is not None
    planted = max(0.0, second - 0.25 - 30.0)  # a twentieth of the window may still be bad
    assert found.time_s == pytest.approx(planted, abs=0.1 + 1e-9)


def test_what_was_never_lost_is_recovered_at_once() -> None:
    """A client that shows no trace of the incident recovers at 0 s."""
    assert recovery(storm([(0.0, 70.0)])).time_s == 0


def test_a_relapse_postpones_the_recovery() -> None:
    """Eight good seconds between two bad ones are no recovery: it has to hold for ten."""
    found = recovery(storm([(0.0, 20.0), (32.0, 44.0), (46.0, 70.0)], rate=100.0))
    assert found.time_s == pytest.approx(46.0 - 0.25 - 30.0, abs=0.1)


def test_no_recovery_is_censored_at_the_end() -> None:
    """An unrecovered run says so, and for how long one looked."""
    found = measured(storm(NEVER))
    assert found["recovered"] is False
    assert found["time_to_recover_s"] == found["recovery_observed_s"] == 40.0
    assert found["recovery_observed_s"] == 40


def test_too_late_to_be_confirmed_is_not_recovered() -> None:
    """Recovery needs 15 s of the phases after it: 10 s of windows of 5 s each."""
    assert recovery(storm([(0.0, 20.0), (54.9, 70.0)])).recovered is True
    assert recovery(storm([(0.0, 20.0), (56.0, 70.0)])).recovered is False


def test_recovery_is_relative_to_what_was_before() -> None:
    """A service that answered half of its calls before has recovered when it does so again."""
    calls, answers = even_calls(20.0, 70.0)
    for index, row in enumerate(calls):
        if 20 <= row["intended_s"] < 40 or index % 2:
            row["outcome"] = "error"
    found = recovery(make_cell(calls, answers, phases=STORM))
    assert found.goodput_before == 0.5
    assert found.time_s == pytest.approx(9.75, abs=0.2)


def test_thin_load_widens_the_window() -> None:
    """At one call a second a window holds 20 calls only after about 20 s, and the width is reported."""
    found = recovery(storm([(0.0, 70.0)], rate=1.0))
    assert found.recovered is True
    assert found.window_s == pytest.approx(19, abs=1)
    assert recovery(storm([(0.0, 70.0)])).window_s == 5


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


@given(
    st.lists(st.tuples(st.floats(0, 60), st.booleans()), max_size=300).map(sorted),
    st.floats(0.1, 1.0),
)
@settings(deadline=None)
def test_the_grid_agrees_with_the_definition(calls: list[tuple[float, bool]], level: float) -> None:
    """The vectorised search finds the same second as the definition written out as loops."""
    calls = [(round(at, 2), good) for at, good in calls]
    intended = np.array([at for at, _ in calls])
    good = np.array([fine for _, fine in calls], dtype=bool)
    grid = GoodputGrid.of(intended, good, 0.0, 60.0)
    assert grid.recovered_after(level) == by_definition(calls, level)


def by_definition(calls: list[tuple[float, bool]], level: float) -> float | None:
    def goodput(tenths: int) -> float | None:
        start = tenths / 10
        inside = [good for at, good in calls if start - 1e-9 <= at < start + 5 - 1e-9]
        later = [good for at, good in calls if at >= start - 1e-9]
        held = inside if len(inside) >= 20 else later[:20]
        return sum(held) / len(held) if start + 5 <= 60 and len(held) >= 20 else None

    course = [goodput(tenths) for tenths in range(601)]
    fine = [value is not None and value >= level - 1e-9 for value in course]
    return next((k / 10 for k in range(500) if all(fine[k : k + 101])), None)
