"""Findings of a soak, on series whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from windtunnel.reports.soak.change import change_of
from windtunnel.reports.soak.cycles import CyclePhase, at_equal_phases, blamed
from windtunnel.reports.soak.finding import Measure
from windtunnel.reports.soak.judge import SoakSeries, judge, unseen
from windtunnel.reports.soak.trend import trend

HOURS = 6
MINUTE_S = 60.0
AT_S = np.arange(0, HOURS * 3600, MINUTE_S)
AT_H = AT_S / 3600
CYCLE = (("calm", 900.0, False), ("trouble", 300.0, True), ("after", 600.0, False))
CONNECTIONS = Measure(
    "connections",
    "open connections",
    "",
    least=5,
    least_share=0.1,
    many=True,
    limit=1000,
    why="the pool is full",
)
MEMORY = Measure("memory", "memory", "MB", least=10, least_share=0.05)
LATENCY = Measure(
    "latency", "median latency", "s", least=0.02, least_share=0.1, relative=True, healthy_phases_only=True
)
GOODPUT = Measure("goodput", "goodput", "", least=0.01, falls=True, healthy_phases_only=True)


def phases() -> list[CyclePhase]:
    found: list[CyclePhase] = []
    start = 0.0
    for cycle in range(HOURS * 2):
        for name, length, incident in CYCLE:
            found.append(CyclePhase(cycle, name, start, start + length, incident))
            start += length
    return found


PHASES = phases()
IN_TROUBLE = (AT_S % 1800 >= 900) & (AT_S % 1800 < 1200)


def noisy(seed: int, alike: float = 0.5) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Noise of the size 1, whose neighbours are alike."""
    drawn = np.random.default_rng(seed).normal(size=len(AT_S))
    made = np.empty(len(drawn))
    made[0] = drawn[0]
    for n in range(1, len(drawn)):
        made[n] = alike * made[n - 1] + np.sqrt(1 - alike**2) * drawn[n]
    return made


@pytest.mark.parametrize("seed", range(3))
def test_one_connection_lost_per_hundred_calls_is_found(seed: int) -> None:
    """At one call a second these are 36 an hour, from the start; the pool is full after a day."""
    found = judge(SoakSeries(CONNECTIONS, AT_S, np.floor(20 + 36 * AT_H + 3 * noisy(seed))), PHASES)
    assert found is not None
    assert found.since_h == 0
    assert found.incident == ""
    assert found.low <= 36 <= found.high
    assert found.per_hour == pytest.approx(36, rel=0.05)
    assert found.hurts_h == pytest.approx((1000 - 20) / 36, rel=0.1)
    assert "open connections grow from the start: 3" in found.sentence


@pytest.mark.parametrize("seed", range(3))
def test_a_megabyte_a_minute_is_found(seed: int) -> None:
    found = judge(SoakSeries(MEMORY, AT_S, 200 + 60 * AT_H + 5 * noisy(seed)), PHASES)
    assert found is not None
    assert found.per_hour == pytest.approx(60, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_tasks_that_stay_after_trouble_are_blamed_on_it(seed: int) -> None:
    """One stays of every minute of trouble, and none of other times."""
    tasks = 10 + np.cumsum(IN_TROUBLE) + np.abs(np.round(noisy(seed)))
    found = judge(SoakSeries(Measure("tasks", "tasks", "", least=5, many=True), AT_S, tasks), PHASES)
    assert found is not None
    assert found.per_hour == pytest.approx(10, rel=0.15)
    assert found.incident == "trouble"


@pytest.mark.parametrize("seed", range(3))
def test_a_tenth_slower_each_hour_is_found_beside_slow_phases(seed: int) -> None:
    latency = 0.5 * (1 + 0.1 * AT_H) * (1 + 2 * IN_TROUBLE) * np.exp(0.05 * noisy(seed))
    found = judge(SoakSeries(LATENCY, AT_S, latency), PHASES)
    assert found is not None
    assert found.per_hour == pytest.approx(0.05, rel=0.15)


def test_goodput_that_falls_is_found() -> None:
    found = judge(SoakSeries(GOODPUT, AT_S, 0.99 - 0.02 * AT_H + 0.01 * noisy(1) - 0.5 * IN_TROUBLE), PHASES)
    assert found is not None
    assert found.per_hour == pytest.approx(-0.02, rel=0.1)
    assert "goodput falls" in found.sentence


@pytest.mark.parametrize("starts_h", [2.0, 3.0, 4.0])
def test_a_leak_that_begins_later_is_dated(starts_h: float) -> None:
    values = 20 + 60 * np.maximum(0, AT_H - starts_h) + 2 * noisy(3)
    found = judge(SoakSeries(CONNECTIONS, AT_S, values), PHASES)
    assert found is not None
    assert found.since_h == pytest.approx(starts_h, abs=0.4)
    assert found.per_hour == pytest.approx(60, rel=0.1)


def test_a_change_in_the_first_hour_is_dated_in_minutes() -> None:
    found = judge(SoakSeries(MEMORY, AT_S, 200 + 60 * AT_H), PHASES)
    assert found is not None
    assert "grows since minute 12:" in replace(found, since_h=0.2).sentence
    assert "grows since hour 2.5:" in replace(found, since_h=2.5).sentence


def test_what_fills_up_and_stops_is_no_finding() -> None:
    """A cache, or a pool, that grows for an hour and is full then."""
    filled = 100 + 60 * np.minimum(AT_H, 1.0) + noisy(4)
    assert judge(SoakSeries(MEMORY, AT_S, filled), PHASES) is None


def test_a_change_too_small_to_matter_is_no_finding() -> None:
    assert judge(SoakSeries(MEMORY, AT_S, 200 + 0.5 * AT_H), PHASES) is None


@pytest.mark.parametrize(("alike", "first"), [(0.0, 1000), (0.8, 1100)])
def test_clean_series_raise_nearly_nothing(alike: float, first: int) -> None:
    """Of 200 series of noise at most two, though every change counts as one that matters."""
    measure = Measure("noise", "noise", "", least=0)
    values = [20 + noisy(seed, alike) + 5 * IN_TROUBLE for seed in range(first, first + 100)]
    assert sum(judge(SoakSeries(measure, AT_S, one), PHASES) is not None for one in values) <= 1


def test_a_straight_line_is_its_own_trend() -> None:
    found = trend(AT_H, 3 + 2 * AT_H)
    assert found is not None
    assert (found.per_hour, found.low, found.high) == pytest.approx((2, 2, 2))
    assert found.reaches(103) == pytest.approx(50)
    assert found.reaches(1) == 0


@pytest.mark.parametrize("values", [np.full(len(AT_S), np.nan), np.full(len(AT_S), 7.0)])
def test_nothing_there_and_nothing_moving(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    assert judge(SoakSeries(CONNECTIONS, AT_S, values), PHASES) is None


def test_a_trend_needs_points() -> None:
    assert trend(AT_H[:5], AT_H[:5]) is None
    assert change_of(AT_H[:8], AT_H[:8]) is None


def test_phases_are_compared_with_their_like() -> None:
    """What differs from phase to phase, and not from cycle to cycle, is gone."""
    hours, values = at_equal_phases(AT_S, 10 + 50.0 * IN_TROUBLE, PHASES)
    assert len(hours) >= len(PHASES)
    assert np.ptp(values) == 0


@pytest.mark.parametrize("cycles", [4, 6, 12])
def test_what_grows_within_a_cycle_is_not_taken_for_its_phases(cycles: int) -> None:
    """A straight line is one again, however few cycles there are."""
    few = [phase for phase in PHASES if phase.cycle < cycles]
    hours, values = at_equal_phases(AT_S, 10 + 60 * AT_H + 50.0 * IN_TROUBLE, few)
    assert np.diff(values) / np.diff(hours) == pytest.approx(60)


def test_an_incident_that_takes_most_of_the_time_is_not_blamed() -> None:
    long = [CyclePhase(n, "trouble", n * 600.0, n * 600.0 + 599, incident=True) for n in range(36)]
    assert blamed(AT_S, AT_S, long) == ""


SHORT_S = np.arange(5.0, 120, 10)
SHORT = [
    CyclePhase(n, name, 30.0 * n + start, 30.0 * n + end, incident)
    for n in range(4)
    for name, start, end, incident in (("calm", 0, 20, False), ("trouble", 20, 30, True))
]


def test_of_a_short_soak_a_start_that_fills_up_is_no_finding_and_a_leak_is_one() -> None:
    """Two minutes have twelve values: the second half of them still tells what goes on from what has stopped."""
    fills = SoakSeries(MEMORY, SHORT_S, np.minimum(60 + SHORT_S, 120.0))
    assert judge(fills, SHORT) is None
    leaks = judge(SoakSeries(MEMORY, SHORT_S, 60 + SHORT_S), SHORT)
    assert leaks is not None
    assert leaks.per_hour == pytest.approx(3600)


def test_what_a_soak_could_not_have_noticed_is_told() -> None:
    """Slower growth than matters in its length; what noise hides; and nothing at all where there are no values."""
    flat = unseen(SoakSeries(MEMORY, SHORT_S, np.full(12, 60.0)), SHORT)
    assert flat.per_hour == pytest.approx(10 / (110 / 3600), rel=0.01)
    assert not flat.noisy
    wild = unseen(SoakSeries(MEMORY, SHORT_S, 60 + 40 * (SHORT_S % 40 > 20)), SHORT)
    assert wild.noisy
    assert wild.per_hour is not None
    assert flat.per_hour is not None
    assert wild.per_hour > flat.per_hour
    nothing = unseen(SoakSeries(MEMORY, SHORT_S, np.full(12, np.nan)), SHORT)
    assert (nothing.per_hour, nothing.noisy) == (None, True)
