"""The growth limiter: traffic may be heavy, and it may not grow too fast."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windtunnel.mock_server.provider.growth import LONGEST_WAIT, GrowthMeter, GrowthSettings

SETTINGS = GrowthSettings(factor=2.0, baseline=60.0, recent=5.0, floor=1.0)


def steady(meter: GrowthMeter, rate: float, start: float, end: float) -> tuple[int, int]:
    """Offer `rate` requests a second; counts those allowed and those refused."""
    allowed = refused = 0
    for i in range(int((end - start) * rate)):
        now = start + i / rate
        refused += meter.wait(now) > 0.0
        allowed += meter.wait(now) == 0.0
        meter.add(now)
    return allowed, refused


def test_steady_traffic_passes_once_it_is_the_baseline() -> None:
    """Traffic that has been as heavy for several baselines is never refused."""
    meter = GrowthMeter(SETTINGS, 0.0)
    steady(meter, 20.0, 0.0, 300.0)
    assert steady(meter, 20.0, 300.0, 360.0)[1] == 0


def test_a_sudden_multiple_of_the_baseline_is_refused() -> None:
    """Five times the usual rate is refused within a few seconds."""
    meter = GrowthMeter(SETTINGS, 0.0)
    steady(meter, 10.0, 0.0, 300.0)
    allowed, refused = steady(meter, 50.0, 300.0, 310.0)
    assert refused > allowed


def test_slow_growth_to_the_same_rate_passes() -> None:
    """The same five-fold rate is allowed when it is reached over ten minutes."""
    meter, now, refused = GrowthMeter(SETTINGS, 0.0), 0.0, 0
    steady(meter, 10.0, 0.0, 300.0)
    for step in range(20):
        refused += steady(meter, 10.0 + 2 * (step + 1), 300.0 + 30 * step, 330.0 + 30 * step)[1]
    assert refused == 0
    assert now == 0.0


def test_traffic_at_the_floor_is_never_refused() -> None:
    """Below the floor growth does not matter, even from nothing."""
    meter = GrowthMeter(SETTINGS, 0.0)
    assert steady(meter, 1.0, 0.0, 60.0)[1] == 0


@settings(deadline=None)
@given(
    st.floats(1.1, 10.0), st.floats(10.0, 600.0), st.floats(0.5, 9.0), st.floats(0.0, 5.0),
    st.lists(st.floats(0.0, 5.0), min_size=1, max_size=60),
)  # fmt: skip
def test_the_wait_is_exact(
    factor: float, baseline: float, recent: float, floor: float, pauses: list[float]
) -> None:
    """Who comes back after the wait passes, and a thousandth of it earlier would not have."""
    meter, now = GrowthMeter(GrowthSettings(factor, baseline, recent, floor), 0.0), 0.0
    for pause in pauses:
        now += pause
        meter.add(now)
    wait = meter.wait(now)
    assert 0.0 <= wait < math.inf
    if 1e-6 < wait < LONGEST_WAIT:
        assert meter.wait(now + wait * 0.999) > 0.0
        assert meter.wait(now + wait) == pytest.approx(0.0, abs=1e-6)
