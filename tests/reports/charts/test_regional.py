"""Charts of regions: legible with one region or four, one client or many, and true to their samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.reports.charts.test_legible import client, cut, muddled
from windtunnel.reports.charts import RunView, Span, draw, regional
from windtunnel.reports.charts.region_latency import region_latency
from windtunnel.reports.charts.regional_view import timeouts_of
from windtunnel.reports.charts.regions_over_time import regions_over_time
from windtunnel.reports.charts.svg import settings
from windtunnel.reports.charts.time_parts import KINDS, MOST_BARS, CallTime, call_times, time_parts
from windtunnel.reports.charts.view import ClientView, RegionView, TimeLimits
from windtunnel.reports.metrics.regions import RegionCounts, RegionTimes
from windtunnel.reports.metrics.times import Samples
from windtunnel.reports.metrics.timing import PARTS
from windtunnel.reports.page.regions import HEADS, region_rows

NAMES = ("us-east", "eu-central", "ap-southeast", "a-region-whose-name-is-rather-long-and-goes-on-and-on")
LIMITS = TimeLimits(connect=0.1, read=0.5, first_content=0.55, total=6.0)
LENGTH = 60.0
UNUSED = RegionCounts(0, 0.0, 0, 0, 0, 0, 0, None, 0)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is rendered while the test runs."""
    seen: list[Figure] = []
    save = Figure.savefig

    def spy(self: Figure, *args: Any, **options: Any) -> None:
        seen.append(self)
        save(self, *args, **options)

    monkeypatch.setattr(Figure, "savefig", spy)
    return seen


def region(name: str, base: float, *, used: bool = True) -> RegionView:
    """A region with 100 requests, the last 20 of which were given up; or one that nobody used."""
    requests = 100 if used else 0
    seconds = np.geomspace(base, 3 * base, requests)
    given_up = np.arange(requests) >= 80
    samples = Samples(seconds, given_up)
    return RegionView(
        name=name,
        counts=RegionCounts(100, 100 / LENGTH, 5, 3, 20, 100, 80, 1.5, 12) if used else UNUSED,
        times=RegionTimes(samples, samples, Samples(10 * seconds, given_up)),
        arrived_s=np.linspace(0, LENGTH, requests, endpoint=False),
        queue_depth=np.arange(requests, dtype=float),
        answered_s=np.linspace(0, LENGTH / 2, 4 * requests // 5),
        parts={part: base * number for number, part in enumerate(PARTS)} if used else {},
        slow_parts={part: 2 * base * number for number, part in enumerate(PARTS)} if used else {},
    )


def seen(name: str, regions: int, *, limits: TimeLimits = LIMITS) -> ClientView:
    """A client of so many regions, and of one that it never used."""
    found = tuple(region(one, 0.04 * 2**number) for number, one in enumerate(NAMES[:regions]))
    view = client(name, LENGTH, waits=(0.2, 9.0), recover_s=None)
    return replace(view, regions=(*found, region("spare", 0.1, used=False)), timeouts=limits)


def stage(*views: ClientView) -> RunView:
    return RunView((Span("before", 0.0, 30.0, False), Span("dark", 30.0, LENGTH, True)), views, 8.0)


@pytest.mark.parametrize(("clients", "regions"), [(1, 1), (3, 3), (9, 4)])
def test_charts_of_regions_are_legible(figures: list[Figure], clients: int, regions: int) -> None:
    """Nothing leaves the picture and no ticks touch, from one region to four with names of any length."""
    run = stage(*(seen(f"client-number-{number}-of-them", regions) for number in range(clients)))
    with settings():
        drawn = [regions_over_time(run), region_latency(run), *time_parts(call_times(run))]
    for figure, chart in zip(figures, drawn, strict=True):
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        assert cut(figure, renderer) == [], chart.name
        for axes in figure.axes:
            assert muddled(axes, renderer) == [], chart.name
    assert run.regions == NAMES[:regions]  # not the one that nobody used


def test_one_region_without_a_link_has_no_such_charts() -> None:
    """What is no subject of a run is not on its page."""
    drawn = draw(stage(client("x", LENGTH, waits=(0.2, 9.0), recover_s=None)))
    assert (drawn.regions, drawn.parts) == ((), ())
    assert region_rows(stage(client("x", LENGTH, waits=(0.2, 9.0), recover_s=None))) == ()


def test_what_a_limit_cut_off_is_missing_from_its_curve(figures: list[Figure]) -> None:
    """Of 100 connects 20 were given up: the curve ends at 80 %, and the limit stands beside it with who has it."""
    run = stage(seen("with", 1), seen("without", 1, limits=TimeLimits()))
    drawn = region_latency(run)
    connecting = figures[0].axes[0]
    curves = [line for line in connecting.lines if len(line.get_xdata()) > 2]
    assert [float(np.max(line.get_ydata())) for line in curves] == [80.0, 80.0]
    assert [text.get_text() for text in connecting.texts if text.get_text().startswith("connect")] == [
        "connect 100 ms (1 of 2 clients)"
    ]
    assert "20 given up" in drawn.alt


def test_a_queue_that_nobody_saw_is_not_drawn_as_none(figures: list[Figure]) -> None:
    """Where no request arrives for a while, the line of the queue has a gap; that of the load is at 0."""
    view = seen("one", 1)
    here = replace(view.regions[0], arrived_s=np.array([1.0, 50.0]), queue_depth=np.array([4.0, 6.0]))
    with settings():
        regions_over_time(stage(replace(view, regions=(here,))))
    load, _, queue = (np.asarray(axes.lines[-1].get_ydata(), dtype=float) for axes in figures[0].axes)
    assert np.isnan(queue).sum() == len(queue) - 2
    assert (np.nanmin(queue), np.nanmax(queue)) == (4.0, 6.0)
    assert load.min() == 0.0


def test_every_part_of_a_calls_time_is_drawn_and_said() -> None:
    """The parts are those of the metric, in its order; the alternative text has their lengths."""
    assert tuple(KINDS) == PARTS
    mean, slow = time_parts(call_times(stage(seen("one", 1))))
    assert "one in us-east 1.44 s (80 % good): 40 ms earlier tries and pauses" in mean.alt
    assert "one in us-east 2.88 s" in slow.alt


def test_of_many_bars_some_are_drawn_evenly() -> None:
    """A run of hundreds of cells has a chart that can still be looked at; the first and the last bar are in it."""
    parts = dict.fromkeys(PARTS, 0.1)
    with settings():
        mean, _ = time_parts([CallTime("here", f"cell {number}", parts, parts) for number in range(200)])
    assert mean.alt.count(" in here ") == MOST_BARS
    assert "cell 0 in here" in mean.alt
    assert "cell 199 in here" in mean.alt


def test_of_many_clients_some_are_drawn_evenly() -> None:
    """More lines than can be told apart are thinned, the first and the last stay, and the title says it."""
    views = tuple(seen(str(number), 1) for number in range(20))
    names = [view.client for view in regional.shown(stage(*views))]
    assert (len(names), names[0], names[-1]) == (regional.MOST_CLIENTS, "0", "19")
    assert regional.how_many(stage(*views)) == " (7 of 20 clients)"


def test_the_table_has_a_row_for_whoever_had_to_do_with_a_region() -> None:
    """Shares are of what arrived there; where nobody looked is a dash."""
    ((name, rows),) = region_rows(stage(seen("one", 1)))
    assert name == "us-east"
    assert dict(zip(HEADS, rows[0][1], strict=True)) == {
        "requests": "100",
        "per second": "1.7",
        "refused": "5.0 %",
        "no whole answer": "3.0 %",
        "never sent": "20",
        "calls": "100",
        "good calls": "80.0 %",
        "95 % of the good ones within": "1.50 s",
        "connections opened": "12",
    }


def test_the_sdks_own_timeout_is_for_each_operation_but_aiohttps() -> None:
    """`sdk.timeout` takes the place of the limits of connecting and reading; of aiohttp it is for all."""
    given = {"timeouts": {"connect": "5s", "read": "600s", "total": None}, "sdk": {"timeout": "4s"}}
    assert timeouts_of(given | {"driver": "openai"}) == TimeLimits(connect=4.0, read=4.0)
    assert timeouts_of(given | {"driver": "aiohttp"}) == TimeLimits(connect=5.0, read=600.0, total=4.0)
    assert timeouts_of({}) == TimeLimits()
