"""Charts: plain frames in, SVG out. `draw` makes all that a page needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from windtunnel.reports.charts.goodput_strip import strip
from windtunnel.reports.charts.outcomes import outcomes
from windtunnel.reports.charts.raster import rasters
from windtunnel.reports.charts.region_latency import region_latency
from windtunnel.reports.charts.regions_over_time import regions_over_time
from windtunnel.reports.charts.spread import Picture, spread
from windtunnel.reports.charts.svg import Chart, settings
from windtunnel.reports.charts.time_parts import CallTime, call_times, time_parts
from windtunnel.reports.charts.timeline import timelines
from windtunnel.reports.charts.view import ClientView, RunView, Span
from windtunnel.reports.charts.waits import waits

__all__ = ["CallTime", "Chart", "Charts", "ClientView", "Picture", "RunView", "Span", "draw"]


@dataclass(frozen=True, slots=True)
class Charts:
    """All charts of a run; those per client in the order of `RunView.clients`.

    `regions` (over time, latency) and `parts` (of a call's time) are there where regions are a subject.
    """

    strips: tuple[Chart, ...]
    timelines: tuple[Chart, ...]
    waits: tuple[Chart, ...]
    rasters: tuple[Chart, ...]
    outcomes: Chart
    spreads: tuple[Chart, ...] = ()
    regions: tuple[Chart, ...] = ()
    parts: tuple[Chart, ...] = ()

    def all(self) -> tuple[Chart, ...]:
        by_client = (*self.strips, *self.timelines, *self.waits, *self.rasters)
        return (*by_client, self.outcomes, *self.spreads, *self.regions, *self.parts)


def draw(run: RunView, pictures: Sequence[Picture] = (), times: Sequence[CallTime] | None = None) -> Charts:
    """Draw every chart of `run`, which has at least one phase and one client, and of the metrics over seeds.

    `times` are the bars of where calls' time goes, where they are others than those of its clients.
    """
    with settings():
        return Charts(
            strips=tuple(strip(view, run) for view in run.clients),
            timelines=tuple(timelines(run)),
            waits=tuple(waits(run)),
            rasters=tuple(rasters(run)),
            outcomes=outcomes(run),
            spreads=tuple(spread(picture) for picture in pictures),
            regions=(regions_over_time(run), region_latency(run)) if run.regions else (),
            parts=tuple(time_parts(call_times(run) if times is None else times)) if run.regions else (),
        )
