"""Before, during and after incidents, on series whose truth is known; and what the page says of them."""

from __future__ import annotations

import numpy as np
import pytest

from windtunnel.harness.contract.watch import WatchMark
from windtunnel.reports.soak.around import around
from windtunnel.reports.soak.cycles import CyclePhase
from windtunnel.reports.soak.finding import Measure
from windtunnel.reports.soak.judge import SoakSeries, judge_all
from windtunnel.reports.soak.page import soak_page
from windtunnel.reports.soak.report import SoakClient, SoakReport
from windtunnel.reports.soak.samples import SoakRecords

CYCLE = (("calm", 1800.0, False), ("trouble", 600.0, True), ("after", 1200.0, False))
AT_S = np.arange(5.0, 6 * 3600.0, 10.0)
IN_CYCLE = AT_S % 3600
TASKS = Measure("tasks", "asyncio tasks", "", least=5, many=True)
MEMORY = Measure("rss_mb", "the memory of the process", "MB", least=5)


def phases() -> tuple[CyclePhase, ...]:
    found: list[CyclePhase] = []
    start = 0.0
    for cycle in range(6):
        for name, length, incident in CYCLE:
            found.append(CyclePhase(cycle, name, start, start + length, incident))
            start += length
    return tuple(found)


def test_before_during_and_after_are_the_quarters_of_an_hour_around_it() -> None:
    """10 before, but 50 in its first quarter, which is too long ago; 30 in it, and 20 for a quarter after it."""
    values = np.select(
        [IN_CYCLE < 900, IN_CYCLE < 1800, IN_CYCLE < 2400, IN_CYCLE < 3300], [50.0, 10.0, 30.0, 20.0], 70.0
    )
    (found,) = around(phases(), [SoakSeries(TASKS, AT_S, values)])
    assert (found.incident, found.times) == ("trouble", 6)
    assert (found.before, found.during, found.after) == pytest.approx((10, 30, 20))


def test_where_nothing_is_known_nothing_is_said() -> None:
    values = np.where(IN_CYCLE < 1800, np.nan, 5.0)
    (found,) = around(phases(), [SoakSeries(TASKS, AT_S, values)])
    assert (found.before, found.during) == (None, 5)


def test_an_incident_at_the_very_end_has_no_after() -> None:
    (found,) = around(phases()[:2], [SoakSeries(TASKS, AT_S, np.ones(len(AT_S)))])
    assert (found.before, found.during, found.after) == (1, 1, None)


def test_the_page_has_findings_first_then_holes_charts_and_incidents() -> None:
    series = (
        SoakSeries(MEMORY, AT_S, 200 + 60 * AT_S / 3600),
        SoakSeries(TASKS, AT_S, 4 + np.sin(AT_S)),
    )
    hole = WatchMark(7200.0, "worker replaced", 7260.0, "it was killed by signal 9")
    leaky = SoakRecords("leaky", phases(), series, 1000, (hole,))
    clean = SoakRecords("clean", phases(), series[1:], 1000)
    found = judge_all(series, phases())
    page = soak_page(SoakReport("hourly", (SoakClient(clean, ()), SoakClient(leaky, found))))
    places = [
        page.index(part)
        for part in (
            '<h2 id="c1">leaky',
            "the memory of the process grows from the start: ",
            "2.00 h to 2.02 h: worker replaced, it was killed by signal 9",
            "The memory of the process (MB)",
            "Before and after each incident",
            "trouble, 6 times",
            "1 more chart<",
            '<h2 id="c2">clean',
        )
    ]
    assert places == sorted(places)
    assert "not known" in page  # the hole, in the legend
