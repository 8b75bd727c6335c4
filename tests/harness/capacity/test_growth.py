"""Whether waits still grow at a level, on made-up data of a known slope."""

from __future__ import annotations

import random

import pytest

from windtunnel.harness.capacity.growth import Point, growth
from windtunnel.harness.capacity.judged import Judge
from windtunnel.harness.capacity.slo import read_slo
from windtunnel.harness.contract.capacity import LevelCell

SLO = read_slo("latency_p95_s <= 30")


def line(slope: float, noise: float = 0.0, seed: int = 1) -> list[Point]:
    """Ten batches of 12 s, with waits that grow from 1 s on."""
    draw = random.Random(seed)
    return [(12.0 * n, 1 + slope * 12 * n + draw.gauss(0, noise)) for n in range(10)]


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.05, 0.5])
def test_the_slope_is_found_and_bounded_from_below(slope: float) -> None:
    """With noise, from three plays whose levels differ."""
    plays = [[(at, wait + seed) for at, wait in line(slope, 0.2, seed)] for seed in range(3)]
    found = growth(plays)
    assert found is not None
    assert found.mean == pytest.approx(slope, abs=0.005)
    assert found.low < slope
    assert found.unsettled(0.04) == (slope >= 0.05)


def test_waits_without_noise_are_known_exactly() -> None:
    """A load of constant spacing gives the same slope each time."""
    found = growth([line(0.03)])
    assert found is not None
    assert (found.mean, found.low) == pytest.approx((0.03, 0.03))
    assert found.unsettled(0.05)
    assert not found.unsettled(0.10)


def test_steady_waits_are_seldom_said_to_grow() -> None:
    """In one of eighty at most, as its share of the error is; and what is a few batches is not judged."""
    said = sum(
        found is not None and found.low > 0
        for found in (growth([line(0.0, 1.0, seed)]) for seed in range(400))
    )
    assert said <= 400 / 80 + 7
    assert growth([line(0.1)[:2]]) is None


def cell(slope: float, latency: float = 2.0) -> LevelCell:
    """A play of ten batches whose latency is well within the SLO, and whose waits grow."""
    starts = tuple(50.0 + 10 * n for n in range(10))
    waits = tuple((0.1 * n, 1 + slope * 0.1 * n) for n in range(1500))
    batches = tuple({"latency_p95_s": latency, "goodput": 1.0} for _ in starts)
    return LevelCell(batches, starts, waits, 1000, 1000, 0, 0, 100.0)


def test_a_level_whose_queue_still_grows_does_not_pass() -> None:
    """It is not decided by one play, and fails by three, though no batch broke the SLO yet."""
    judge = Judge(SLO, 0.05)
    assert judge.level(10.0, [cell(0.0)]).state == "passed"
    assert judge.level(10.0, [cell(0.0)]).settled
    one, three = (judge.level(10.0, [cell(0.04)] * plays) for plays in (1, 3))
    assert (one.state, one.settled, one.growth) == ("unresolved", False, pytest.approx(0.04))
    assert (three.state, three.settled) == ("failed", False)


def test_what_grows_beyond_the_limit_fails_at_once() -> None:
    """A short play whose batches differ too much for an interval: those that come are worse than their mean."""
    judge = Judge(read_slo("latency_p95_s <= 2"), 0.05)
    grown = cell(0.3)
    batches = tuple({"latency_p95_s": value} for value in (0.9, 1, 1, 1, 1, 4, 8, 12, 16, 20))
    wild = LevelCell(batches, grown.starts_s, grown.waits, 1000, 1000, 0, 0, 100.0)
    steady = LevelCell(batches, grown.starts_s, cell(0.0).waits, 1000, 1000, 0, 0, 100.0)
    assert judge.level(10.0, [wild], scout=True).state == "failed"
    assert judge.level(10.0, [steady], scout=True).state == "unresolved"
    assert judge.level(10.0, [cell(0.3, latency=0.9)], scout=True).state == "passed"
