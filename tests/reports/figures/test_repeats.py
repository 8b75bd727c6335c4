"""Repeats become one figure."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from windtunnel.reports.figures.repeats import mean_interval, over_repeats
from windtunnel.reports.metrics.figure import Figure, Value


def planted(*repeats: dict[str, Value]) -> list[dict[str, Figure]]:
    """Repeats of these values."""
    return [{name: Figure(value) for name, value in repeat.items()} for repeat in repeats]


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12))
@settings(deadline=None)
def test_a_figure_is_the_mean_with_a_t_interval_from_three_repeats_on(values: list[float]) -> None:
    """Mean always; Student's interval at 95 % from three repeats on, null below."""
    found = mean_interval(values)
    assert found.value == pytest.approx(sum(values) / len(values))
    if len(values) < 3:
        assert found.low is found.high is None
        return
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    assert found.high - found.value == pytest.approx(half, abs=1e-9)
    assert found.value - found.low == pytest.approx(half, abs=1e-9)


def test_one_repeat_keeps_its_figure() -> None:
    """A single repeat is passed on as it is, without an interval."""
    assert over_repeats(planted({"goodput": 0.9}))["goodput"] == Figure(0.9)


def test_a_mean_says_over_how_many_repeats_it_is() -> None:
    """Null repeats are left out of the mean, which says so; all null stays null; absent everywhere stays absent."""
    found = over_repeats(planted({"a": 1.0, "b": None}, {"a": None, "b": None}, {"a": 3.0, "b": None}))
    assert found["a"] == Figure(2.0, reason="over 2 of 3 repeats")
    assert found["b"].value is None
    assert set(found) == {"a", "b"}


def repeats(*times: float | None) -> dict[str, float | bool | None]:
    found = over_repeats(planted(*({"time_to_recover_s": t, "recovered": t is not None} for t in times)))
    return {name: figure.value for name, figure in found.items()}


@pytest.mark.parametrize(
    ("times", "median", "recovered", "fraction"),
    [
        ((3.0, 8.0, 7.0), 7.0, True, 1.0),
        ((3.0, None, 7.0), 7.0, False, 2 / 3),
        ((3.0, None, None), None, False, 1 / 3),
        ((3.0, None), None, False, 0.5),
        ((3.0, 7.0), 5.0, True, 1.0),
    ],
)
def test_unrecovered_repeats_are_infinite_in_the_median(
    times: tuple[float | None, ...], median: float | None, recovered: bool, fraction: float
) -> None:
    """The median over repeats where never is infinite, beside the fraction; recovered only if all did."""
    assert repeats(*times) == {
        "time_to_recover_s": median,
        "recovered": recovered,
        "recovered_fraction": pytest.approx(fraction),
    }


def test_what_must_hold_in_all_repeats_is_not_known_if_one_is_not() -> None:
    """Nine that recovered and three of which nobody knows are no 'recovered'; one that did not decides it."""
    nine: list[dict[str, Value]] = [{"recovered": True, "metastable": False}] * 9
    unknown: dict[str, Value] = {"recovered": None, "metastable": None}
    found = over_repeats(planted(*nine, unknown, unknown, unknown))
    assert found["recovered"] == Figure(None, reason="not known of 3 of 12 repeats")
    assert found["metastable"].value is None
    assert found["recovered_fraction"] == Figure(1.0, reason="over 9 of 12 repeats")
    stuck: dict[str, Value] = {"recovered": False, "metastable": True}
    found = over_repeats(planted(*nine, unknown, stuck))
    assert (found["recovered"].value, found["metastable"].value) == (False, True)


def test_a_mean_with_a_lower_bound_in_it_is_one() -> None:
    """No interval is claimed around it either."""
    waits = [{"wait_max_s": Figure(10.0)}, {"wait_max_s": Figure(86.0, censored=True)}]
    assert over_repeats([*waits, waits[0]])["wait_max_s"] == Figure(106 / 3, censored=True)


def test_repeats_that_could_not_be_told_are_left_out() -> None:
    """A repeat that was cut off is neither recovered nor unrecovered."""
    found = over_repeats(
        planted({"time_to_recover_s": 4.0, "recovered": True}, {"time_to_recover_s": None, "recovered": None})
    )
    assert found["time_to_recover_s"].value == 4.0
    assert found["recovered_fraction"].value == 1.0


def test_one_metastable_repeat_is_enough() -> None:
    """A client that gets stuck once is one that can get stuck."""
    found = over_repeats(planted({"metastable": False}, {"metastable": True}, {"metastable": None}))
    assert found["metastable"].value is True
