"""Draws are hashes of what they are for: stable, independent, and distributed as they claim."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windtunnel.mock_server.chance import (
    MAX_P99_OVER_MEAN,
    derive,
    lognormal,
    lognormal_from_mean,
    median_from_mean,
    uniform,
)

KEYS = st.lists(st.one_of(st.integers(), st.text()), max_size=4).map(tuple)


@given(st.integers(), KEYS)
def test_a_draw_is_in_the_unit_interval_and_depends_on_its_key_alone(
    seed: int, key: tuple[str | int, ...]
) -> None:
    """The same seed and key give the same number in [0, 1), whatever was drawn in between."""
    first = uniform(seed, *key)
    uniform(seed + 1, *key)
    assert 0 <= first < 1
    assert uniform(seed, *key) == first


@given(KEYS, KEYS)
def test_different_keys_give_different_draws(
    one: tuple[str | int, ...], other: tuple[str | int, ...]
) -> None:
    """No two keys share a draw: neither by moving a border between parts nor by spelling a number as text."""
    assert (uniform(7, *one) == uniform(7, *other)) == (one == other)


def test_draws_are_the_same_in_every_process() -> None:
    """Another interpreter with another hash seed draws the same numbers."""
    code = "from windtunnel.mock_server.chance import uniform, derive\n"
    code += "print(uniform(7, 'rule', 'a', 3), derive(7, 'b'))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {f"{uniform(7, 'rule', 'a', 3)} {derive(7, 'b')}\n"}


def test_draws_are_uniform() -> None:
    """Over 20,000 calls every tenth of the interval gets its tenth of the draws."""
    bins = [0] * 10
    for call in range(20_000):
        bins[int(uniform(1, "rule", "r", f"c{call}", 0) * 10)] += 1
    assert all(abs(count - 2000) < 200 for count in bins)


def test_neighbouring_attempts_are_uncorrelated() -> None:
    """What the first attempt of a call draws says nothing about the second."""
    first = [uniform(3, "rule", "r", f"c{call}", 0) for call in range(5000)]
    second = [uniform(3, "rule", "r", f"c{call}", 1) for call in range(5000)]
    assert abs(statistics.correlation(first, second)) < 0.05


@given(st.integers(), KEYS)
def test_derived_seeds_have_63_bits(seed: int, key: tuple[str | int, ...]) -> None:
    """A derived seed is a non-negative integer that fits a signed 64-bit field."""
    assert 0 <= derive(seed, *key) < 2**63


@given(st.floats(0.001, 1000), st.floats(1, 14))
def test_a_lognormal_has_the_quantiles_that_it_was_given(median: float, ratio: float) -> None:
    """Half of the draws lie below the median and 99 of 100 below the p99."""
    p99 = median * ratio
    assert math.isclose(lognormal(0.5, median=median, p99=p99), median, rel_tol=1e-9)
    assert math.isclose(lognormal(0.99, median=median, p99=p99), p99, rel_tol=1e-9)


@given(st.floats(0.001, 1000), st.floats(1.0001, MAX_P99_OVER_MEAN - 0.001))
def test_a_lognormal_by_its_mean_has_that_mean_and_p99(mean: float, ratio: float) -> None:
    """The closed form exp(m + s²/2) of the fitted distribution gives the mean back."""
    p99 = mean * ratio
    median = median_from_mean(mean, p99)
    sigma = math.log(p99 / median) / 2.3263478740408408
    assert math.isclose(median * math.exp(sigma**2 / 2), mean, rel_tol=1e-6)
    assert math.isclose(lognormal_from_mean(0.99, mean=mean, p99=p99), p99, rel_tol=1e-6)


@pytest.mark.parametrize("u", [0.0, 0.3, 0.999999])
def test_equal_figures_are_a_constant(u: float) -> None:
    """Median and p99 alike (or mean and p99) give that value for every draw."""
    assert lognormal(u, median=2.0, p99=2.0) == 2.0
    assert lognormal_from_mean(u, mean=2.0, p99=2.0) == 2.0


def test_the_smallest_draw_is_finite() -> None:
    """u = 0 gives a small positive number, never a mathematical error."""
    assert 0 < lognormal(0.0, median=1.0, p99=5.0) < 0.01


def test_an_impossible_tail_is_refused() -> None:
    """No lognormal has a p99 of more than 14.97 times its mean, and asking for one says so."""
    with pytest.raises(ValueError, match=r"at most 14\.97"):
        median_from_mean(1.0, 15.0)
