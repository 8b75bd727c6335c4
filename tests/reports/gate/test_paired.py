"""The statistics of paired differences, each held against what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from windtunnel.reports.gate.paired import (
    ALPHA,
    benjamini_hochberg,
    holm,
    intervals,
    least_pairs,
    p_values,
    repeats_for,
    smallest_found,
)

DRAW = np.random.default_rng(7)


def test_p_values_are_exact_for_few_pairs() -> None:
    """Five differences of one sign: both ends of 32 sign flips; rows of any length go together."""
    five, one, zero = np.array([1.0, 9, 2, 3, 4]), np.array([3.0]), np.zeros(6)
    assert p_values([five, one, zero]) == pytest.approx([2 / 32, 1.0, 1.0])


def test_p_values_below_the_level_are_as_rare_as_they_say() -> None:
    """Of 400 rows without a difference about one in twenty is below 5 %."""
    found = np.array(p_values(list(DRAW.lognormal(size=(400, 10)) - DRAW.lognormal(size=(400, 10)))))
    assert 0.02 <= float((found <= ALPHA).mean()) <= 0.08


def test_holm_and_benjamini_hochberg_are_the_textbooks() -> None:
    """Holm multiplies by how many are left, and never falls; Benjamini and Hochberg find at least as much."""
    ps = [0.01, 0.04, 0.03, 0.005]
    assert holm(ps) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(ps) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert (holm([]), benjamini_hochberg([])) == ([], [])


def test_intervals_cover_the_mean() -> None:
    """Of 300 intervals of 20 values nine in ten at least hold the true mean: of so few they are a little short."""
    ends = intervals(list(DRAW.normal(3.0, 1.0, (300, 20))))
    held = sum(low is not None and high is not None and low <= 3.0 <= high for low, high in ends)
    assert held >= 270


@pytest.mark.parametrize(
    ("row", "ends"),
    [
        pytest.param([2.0, 2.0, 2.0], (2.0, 2.0), id="constant"),
        pytest.param([1.0, 2.0], (None, None), id="too few"),
        pytest.param([0.0] * 19 + [1.0], (0.0, 0.2), id="one pair differs"),
    ],
)
def test_rows_without_a_common_interval_have_a_plain_one(
    row: list[float], ends: tuple[float | None, float | None]
) -> None:
    """Where BCa has nothing to say there is still an interval, and no warning."""
    assert intervals([np.array(row)])[0] == pytest.approx(ends, abs=0.051)


def test_as_many_pairs_as_it_says_are_the_fewest_that_can_be_sure() -> None:
    """One pair less, and not even differences of one sign pass Holm's first step."""
    for family in (1, 6, 100, 409):
        count = least_pairs(family)
        assert 2 / 2**count <= ALPHA / family < 2 / 2 ** (count - 1)


def test_the_smallest_difference_is_found_nine_times_in_ten() -> None:
    """A planted difference of that size passes a family of 50 in 90 of 100 trials, give or take."""
    pairs, family, spread = 20, 50, 1.0
    size = smallest_found(spread, pairs, family)
    rows = DRAW.normal(size, spread, (100, pairs))
    found = sum(p * family <= ALPHA for p in p_values(list(rows)))
    assert 82 <= found <= 98
    assert size == pytest.approx(
        (stats.t.ppf(1 - ALPHA / 100, 19) + stats.t.ppf(0.9, 19)) / np.sqrt(20), rel=1e-9
    )


def test_repeats_are_the_fewest_that_show_a_difference() -> None:
    """As many as it names find a difference of that size, one less does not; beyond 10,000 it names none."""
    wanted = repeats_for(0.3, 1.0, 20, 50)
    assert wanted is not None
    assert smallest_found(1.0, wanted, 50) <= 0.3 < smallest_found(1.0, wanted - 1, 50)
    assert repeats_for(5.0, 0.0, 1, 1) == 6
    assert repeats_for(0.001, 1.0, 20, 50) is None
