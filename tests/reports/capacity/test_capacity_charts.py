"""The charts of a capacity search: ticks that can be read, lines only where a fit is accepted, the wall's proof."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.reports.capacity.test_fits import SIZES, by_law
from windtunnel.harness.contract.capacity import (
    CapacityFound,
    ClientCapacity,
    LevelState,
    Sweep,
    SweepGap,
    SweepStep,
    TermFound,
    Wall,
    WallTrial,
)
from windtunnel.reports.capacity.charts.by_rate import good_calls, waits
from windtunnel.reports.capacity.charts.law import scalability
from windtunnel.reports.capacity.charts.scale import log_ticks
from windtunnel.reports.capacity.charts.sweep import hysteresis
from windtunnel.reports.capacity.charts.wall import wall_bars
from windtunnel.reports.capacity.plan import CapacityReport, planned
from windtunnel.reports.charts.svg import Chart, settings

SLO = "latency_p95_s <= 0.125"


@pytest.mark.parametrize(
    ("low", "high"), [(1, 1000), (1, 8), (3, 7), (5.6, 6.9), (1.0, 1.1), (0.02, 0.9), (0.001, 90_000)]
)
def test_a_logarithmic_axis_has_several_ticks_however_narrow_it_is(low: float, high: float) -> None:
    """From four to eight round numbers, all of them on the axis."""
    ticks = log_ticks(low, high)
    assert 4 <= len(ticks) <= 8
    assert low <= ticks[0]
    assert ticks[-1] <= high * (1 + 1e-9)
    assert all(one < other for one, other in pairwise(ticks))


def term(mean: float | None, state: LevelState) -> tuple[TermFound, ...]:
    """The one term of the SLO."""
    return (TermFound(SLO, mean, mean, mean, state),)


def report(client: ClientCapacity) -> CapacityReport:
    """What was found, of one client."""
    return planned(
        CapacityFound(1, "q", (SLO,), "virtual", 7, 0.04, 1000.0, 4.0, None, None, 64, (client,), 900.0)
    )


LEVELS = tuple(
    replace(level, shown={"latency_p95_s": 0.1 * level.rate}, state="passed" if level.rate < 32 else "failed",
            terms=term(0.1 * level.rate, "failed"))
    for level in by_law(SIZES, 2.0, 0.05, 0.001)
)  # fmt: skip
CLIENT = ClientCapacity("mine", "found", 16, 16, 32, LEVELS, 3.0)


def text_of(chart: Chart) -> list[str]:
    """What can be read on it."""
    return re.findall(r"<text[^>]*>([^<]+)</text>", chart.inline)


def test_good_calls_show_safe_rate_headroom_and_today() -> None:
    """A target that is far beyond all levels is not drawn: they would be squeezed."""
    with settings():
        read = text_of(good_calls(report(CLIENT), CLIENT))
    assert {"safe 16/s", "today 4/s", "300 % headroom", "kept the SLO", "broke it"} <= set(read)
    assert not any("target" in one for one in read)


def test_levels_that_are_not_steady_are_marked() -> None:
    """With a hollow mark, which the legend explains."""
    growing = replace(CLIENT, levels=(*LEVELS[:-1], replace(LEVELS[-1], settled=False)))
    with settings():
        assert "hollow: not steady" in text_of(good_calls(report(growing), growing))
        assert "hollow: not steady" not in text_of(good_calls(report(CLIENT), CLIENT))


def test_a_limit_is_shown_with_all_of_its_digits() -> None:
    """Numbers of the drawing are shortened, numbers that people read are not."""
    with settings():
        assert "latency_p95_s &lt;= 0.125" in text_of(waits(report(CLIENT), CLIENT))


def test_the_law_is_drawn_only_where_it_is_accepted() -> None:
    """Else there are the levels alone, with the reason."""
    few = replace(CLIENT, levels=LEVELS[:4])
    with settings():
        assert "95 % of refits" in text_of(scalability(report(CLIENT), CLIENT))
        read = text_of(scalability(report(few), few))
    assert "95 % of refits" not in read
    assert "No line: only 4 levels are steady, and it needs 6." in read


def test_the_sweep_is_a_loop_with_its_difference() -> None:
    """Both ways, and the interval of the difference at each rate."""
    up = [SweepStep("up", rate, rate, rate, 1.0, 1.0) for rate in (5, 6, 7)]
    down = [SweepStep("down", rate, rate, rate - 1, 1.0, 1.0) for rate in (6, 5)]
    sweep = Sweep(
        3,
        60,
        (*up, *down),
        (SweepGap(5, 0.2, 0.1, 0.3), SweepGap(6, None, None, None)),
        0.05,
        hysteresis=True,
    )
    with settings():
        chart = hysteresis(CLIENT, sweep)
    assert {"on the way up", "on the way down"} <= set(text_of(chart))
    assert chart.alt.endswith("there is hysteresis.")


def test_the_wall_has_a_bar_for_each_limit_that_was_raised() -> None:
    """And none where the plays of the proof are not known."""
    trials = (
        WallTrial("rpm", "failed", term(None, "failed")),
        WallTrial("slots", "passed", term(0.1, "passed")),
    )
    wall = Wall("slots", 32, "", proven=True, tried=("rpm", "slots"), trials=trials)
    with settings():
        chart = wall_bars(CLIENT, wall)
    assert chart is not None
    assert {"as it is", "rpm raised", "slots raised", "3.2 (broke it)", "0.1 (kept the SLO)"} <= set(
        text_of(chart)
    )
    assert wall_bars(CLIENT, replace(wall, trials=())) is None
