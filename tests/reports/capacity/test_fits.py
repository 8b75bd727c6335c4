"""The fits to the levels of a search, on levels that are made up and whose law is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from windtunnel.harness.contract.capacity import Flow, Level
from windtunnel.reports.capacity.knee import find_knee
from windtunnel.reports.capacity.points import longest_run
from windtunnel.reports.capacity.usl import fit_usl, law

BATCH_S = 20.0


def levels_of(
    rates: Sequence[float],
    good: Callable[[float], float],
    in_flight: Callable[[float], float],
    noise: float = 0.02,
) -> tuple[Level, ...]:
    """Steady levels of ten batches each, with that much noise in both figures."""
    draw = np.random.default_rng(5)
    found = []
    for rate in rates:
        flows = []
        for _ in range(10):
            under_way = in_flight(rate) * float(draw.normal(1, noise))
            flows.append(
                Flow(
                    length_s=BATCH_S,
                    calls=round(rate * BATCH_S),
                    good=round(good(rate) * BATCH_S * float(draw.normal(1, noise))),
                    waited_s=under_way * BATCH_S,  # by Little's law: the level is steady
                    in_flight=under_way,
                    spread=under_way,
                    open=under_way,
                    open_spread=under_way,
                )
            )
        achieved = sum(one.good for one in flows) / (10 * BATCH_S)
        found.append(Level(rate, "passed", (), 1, 10, 0, rate, achieved, 90, 1, 0, {}, flows=tuple(flows)))
    return tuple(found)


def by_law(sizes: Sequence[float], *parameters: float) -> tuple[Level, ...]:
    """Levels that follow the law, at so many calls under way."""
    return levels_of(sizes, lambda n: float(law(np.array([n]), *parameters)[0]), lambda n: n)


SIZES = (1, 2, 4, 8, 16, 32, 64)


def test_the_law_is_found_again() -> None:
    """The three parameters of the levels lie within their bounds, near the truth, and the peak is where it must be."""
    usl = fit_usl(by_law(SIZES, 2.0, 0.05, 0.001))
    assert usl.why == ""
    for found, truth in zip((usl.alone, usl.contention, usl.coherence), (2.0, 0.05, 0.001), strict=True):
        assert found is not None
        assert found[0] == pytest.approx(truth, rel=0.1)
        assert found[1] <= truth <= found[2]
    assert usl.peak is not None
    assert usl.peak.in_flight == pytest.approx((0.95 / 0.001) ** 0.5, rel=0.1)
    assert all(point.low <= point.good <= point.high for point in usl.curve)


def test_no_peak_is_told_beyond_the_levels() -> None:
    """Without coherence more is always more."""
    usl = fit_usl(by_law(SIZES, 2.0, 0.05, 0.0))
    assert usl.why == ""
    assert usl.peak is None


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        (by_law(SIZES[:5], 2.0, 0.05, 0.001), "only 5 levels are steady"),
        (by_law((10, 11, 12, 13, 14, 15), 2.0, 0.05, 0.001), "the levels span only 1.5 times"),
        (
            levels_of(SIZES, lambda n: n if n <= 16 else 1.0, lambda n: n),
            "R² is",
        ),
        (
            levels_of(SIZES, lambda n: 10 * (n >= 8) + n / 8, lambda n: n, noise=0.0),
            "R² is",
        ),
        (
            levels_of((1, 2, 4, 6, 7, 8, 10, 20, 32), lambda n: min(n, 8), lambda n: n, noise=0.0),
            "R² is",
        ),
        (by_law(SIZES, 2.0, 0.0, 0.0), "nothing bends the line"),
    ],
    ids=("few levels", "narrow", "collapse", "step", "corner", "line"),
)
def test_a_poor_fit_draws_no_line(levels: tuple[Level, ...], told: str) -> None:
    """The reason is told, and there is no curve."""
    usl = fit_usl(levels)
    assert told in usl.why
    assert usl.curve == ()


def test_a_curve_that_is_far_off_where_little_is_under_way_is_refused() -> None:
    """R² is high all the same, as it is about the large values."""
    levels = levels_of(
        (1, 2, 40, 50, 60, 80), lambda n: {1: 0.6}.get(n, n / (1 + 0.01 * (n - 1))), lambda n: n, noise=0.0
    )
    usl = fit_usl(levels)
    assert usl.r2 is not None
    assert usl.r2 > 0.99
    assert "% off at 1 calls/s" in usl.why


def test_a_peak_needs_levels_beyond_it() -> None:
    """One level that gets a little less may be chance."""
    usl = fit_usl(by_law((1, 2, 4, 8, 16, 24, 34), 2.0, 0.05, 0.001))
    assert usl.why == ""
    assert usl.peak is None


def test_levels_that_are_not_steady_are_left_out() -> None:
    """Seven levels, two of which still grow."""
    levels = by_law(SIZES, 2.0, 0.05, 0.001)
    growing = (*levels[:5], *(replace(one, settled=False) for one in levels[5:]))
    assert fit_usl(growing).why.startswith("only 5 levels are steady")


RATES = (1, 2, 4, 6, 8, 10, 12, 16)


def test_the_knee_is_found() -> None:
    """What is offered comes good up to 9/s, and a tenth of what comes on top of that."""
    knee = find_knee(levels_of(RATES, lambda r: min(r, 9) + 0.1 * max(0, r - 9), lambda r: r))
    assert knee.why == ""
    assert knee.rate == pytest.approx(9, rel=0.05)
    assert knee.low is not None
    assert knee.high is not None
    assert knee.low <= 9 <= knee.high
    assert knee.slopes == pytest.approx((1, 0.1), abs=0.06)
    assert knee.cliff is None


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        (levels_of(RATES, lambda r: r, lambda r: r), "level off"),
        (levels_of(RATES[:4], lambda r: r, lambda r: r), "only 4 levels are steady"),
        (levels_of(RATES, lambda r: min(r, 14), lambda r: r), "fewer than"),
        (levels_of(RATES, lambda r: r if r < 7 else 0.5, lambda r: r), "two straight lines do not fit"),
    ],
    ids=("no bend", "few levels", "one level above", "cliff"),
)
def test_no_knee_is_told_with_its_reason(levels: tuple[Level, ...], told: str) -> None:
    """In place of a line that says nothing."""
    assert told in find_knee(levels).why


def test_a_collapse_is_a_cliff() -> None:
    """It lies between the last good rate and the first bad one."""
    assert find_knee(levels_of(RATES, lambda r: r if r < 7 else 0.5, lambda r: r)).cliff == (6, 8)


def test_a_run_is_of_neighbours_on_one_side() -> None:
    """Signs that stay the same."""
    assert longest_run(np.array([1.0, 2.0, -1.0, -1.0, -3.0, 1.0])) == 3
    assert longest_run(np.array([0.0, 0.0])) == 1
