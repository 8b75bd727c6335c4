"""The sweep for hysteresis: what is played, and what its figures come to, on made-up plays."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from windtunnel.harness.capacity.level import Layout
from windtunnel.harness.capacity.sweep import at_rates, rates_around, step_s, sweep_of
from windtunnel.harness.contract.capacity import Flow, LevelCell
from windtunnel.harness.inputs.gallery import load_scenario

RATES = rates_around(10.0)


def play(goodput: Sequence[float | None]) -> LevelCell:
    """A play with this goodput at each step."""
    flows = tuple(Flow(10.0, int(10 * rate), 0, 0, 0, 0, 0, 0) for rate in RATES)
    batches = tuple({"goodput": value, "latency_p95_s": 2.0} for value in goodput)
    return LevelCell(batches, tuple(10.0 * n for n in range(9)), (), 1, 1, 0, 0, 90.0, flows=flows)


def test_rates_go_up_and_down_again_around_the_safe_one() -> None:
    """The highest is played once; a step is long enough for 40 calls in its second half."""
    assert RATES == (6.0, 8.0, 9.5, 11.0, 13.0, 11.0, 9.5, 8.0, 6.0)
    assert step_s(RATES) == 20
    assert step_s(rates_around(1.0)) == 134  # 2 × 40 calls at 0.6/s


def test_all_steps_are_one_play_of_one_provider() -> None:
    """Its rate is that of the steps, it settles at the first one, and the second half of each step is a batch."""
    swept = at_rates(load_scenario("retry_storm"), RATES, Layout(settle_s=15, batch_s=4))
    steps = swept.load.arrivals.steps
    assert steps is not None
    assert [(step.for_, step.rate) for step in steps[:2]] == [(35, 6.0), (20, 8.0)]
    assert [phase.name for phase in swept.phases][:5] == ["settle", "step-0", "batch-0", "step-1", "batch-1"]
    assert swept.length_s == 15 + 9 * 20
    assert swept.phases[0].provider == {"limits": {"burst": 0.05}}


def test_what_is_lost_on_the_way_down_is_hysteresis() -> None:
    """At 9.5/s calls that all were good before fail after the overload, with every seed."""
    plays = [play([1, 1, 1, 0.7, 0.3, 0.3 + off, 0.5 + off, 1, 1]) for off in (0.0, 0.02, 0.04)]
    sweep = sweep_of(RATES, plays)
    assert [step.way for step in sweep.steps] == ["up"] * 5 + ["down"] * 4
    assert [gap.rate for gap in sweep.gaps] == [6.0, 8.0, 9.5, 11.0]
    gap = sweep.gaps[2]
    assert (gap.mean, gap.low, gap.high) == pytest.approx((0.48, 0.48 - 0.0497, 0.48 + 0.0497), abs=1e-3)
    assert sweep.hysteresis
    assert (sweep.steps[4].goodput, sweep.steps[4].achieved) == pytest.approx((0.3, 3.9))


@pytest.mark.parametrize(
    "seeds",
    [
        ([1, 1, 1, 0.7, 0.3, 0.7, 1, 1, 1],) * 3,
        ([1, 1, 0.9, 0.7, 0.3, 0.7, 1, 1, 1], [1, 1, 1, 0.7, 0.3, 0.7, 0.8, 1, 1], [1] * 9),
        ([1, 1, 1, None, None, None, 0.1, 1, 1],),
    ],
)
def test_the_same_both_ways_is_none(seeds: Sequence[Sequence[float | None]]) -> None:
    """Nor is what differs from seed to seed, or what one seed alone has."""
    assert not sweep_of(RATES, [play(one) for one in seeds]).hysteresis
