"""The page of a soak: findings first, then the measures over hours, and what was before and after each incident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from windtunnel.reports.charts.durations import duration
from windtunnel.reports.charts.hours import HoursGrid, HoursLine, over_hours
from windtunnel.reports.charts.svg import Chart
from windtunnel.reports.charts.view import Span
from windtunnel.reports.page.html import rendered
from windtunnel.reports.soak.around import AroundIncident, around
from windtunnel.reports.soak.cycles import HOUR_S
from windtunnel.reports.soak.judge import OBJECTS_OF, SoakSeries
from windtunnel.reports.soak.report import SoakClient, SoakReport
from windtunnel.reports.soak.samples import SoakRecords

ABOUT: Final = (
    "The same phases again and again. What grows from cycle to cycle, at equal phases, and does not stop?"
)
HEADLINES: Final = ("p95_s", "goodput", "rss_mb", "connections")
"""What is always shown, in this order; the rest is folded away unless it was found."""
WITH_MEDIAN: Final = "p95_s"
MEDIAN: Final = "median_s"
AROUND: Final = ("goodput", "median_s", "p95_s", "connections", "rss_mb", "tasks")
"""What is said before, during and after incidents."""


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """A row of the table of incidents, in words."""

    incident: str
    measure: str
    before: str
    during: str
    after: str


@dataclass(frozen=True, slots=True)
class ClientSection:
    """What the page says of a client. `others`: charts that are folded away; `limits`: what the soak cannot tell."""

    name: str
    reason: str
    findings: Sequence[str]
    watched: str
    holes: Sequence[str]
    charts: Sequence[Chart]
    others: Sequence[Chart]
    incidents: Sequence[IncidentRow]
    limits: Sequence[str]


def soak_page(report: SoakReport) -> str:
    """index.html. Clients with findings come first."""
    records = report.clients[0].records
    last = records.phases[-1]
    return rendered(
        "soak.html.j2",
        title=report.scenario,
        about=ABOUT,
        chips=(duration(last.end_s), f"{last.cycle + 1} cycles", f"{records.calls:,} calls a client"),
        clients=[_section(client) for client in sorted(report.clients, key=lambda one: not one.findings)],
    )


def _section(client: SoakClient) -> ClientSection:
    records = client.records
    series = {one.measure.name: one for one in records.series}
    found = {one.measure.name for one in client.findings} | _named_types(client)
    shown = [name for name in series if name in found]
    shown += [name for name in HEADLINES if name in series and name not in found]
    if WITH_MEDIAN in shown and MEDIAN in shown:
        shown.remove(MEDIAN)  # it is in the same chart
    folded = [
        name for name in series if name not in shown and name != MEDIAN and not name.startswith(OBJECTS_OF)
    ]
    grid = _grid(records)
    return ClientSection(
        name=records.client,
        reason=client.reason,
        findings=[one.sentence for one in client.findings],
        watched=", ".join(
            one.measure.title for one in records.series if not one.measure.name.startswith(OBJECTS_OF)
        ),
        holes=[
            f"{_hours(mark.at_s)} to {_hours(mark.until_s)}: {mark.mark}"
            + (f", {mark.why}" if mark.why else "")
            for mark in records.holes
        ],
        charts=[_chart(records.client, series, name, grid) for name in shown],
        others=[_chart(records.client, series, name, grid) for name in folded],
        incidents=_incidents(records, series),
        limits=client.limits,
    )


def _hours(at_s: float) -> str:
    return f"{at_s / HOUR_S:.2f} h"


def _named_types(client: SoakClient) -> set[str]:
    """The measures of the first types that a finding names."""
    first = [one.detail.partition(" ")[0] for one in client.findings if one.detail]
    return {f"{OBJECTS_OF}{kind}" for kind in first}


def _grid(records: SoakRecords) -> HoursGrid:
    starts = {phase.cycle: phase.start_s for phase in reversed(records.phases)}
    return HoursGrid(
        records.series[0].at_s,
        [Span(one.name, one.start_s, one.end_s, one.incident) for one in records.phases],
        [*(starts[cycle] for cycle in sorted(starts)), records.phases[-1].end_s],
        [(mark.at_s, max(mark.until_s, mark.at_s)) for mark in records.holes],
    )


def _chart(client: str, series: Mapping[str, SoakSeries], name: str, grid: HoursGrid) -> Chart:
    """The chart of a measure; the median wait is drawn beside the 95th percentile."""
    one = series[name]
    measure = one.measure
    there = one.values[np.isfinite(one.values)]
    told = "no value" if not len(there) else f"from {measure.said(there[0])} to {measure.said(there[-1])}"
    lines = [HoursLine("95th percentile" if name == WITH_MEDIAN else measure.title, one.values)]
    title = measure.title[0].upper() + measure.title[1:]
    if name == WITH_MEDIAN and MEDIAN in series:
        lines.append(HoursLine("median", series[MEDIAN].values))
        title = "Waits of good calls"
    return over_hours(
        f"{client}-{name}",
        title + (f" ({measure.unit})" if measure.unit else ""),
        grid,
        lines,
        f"{measure.title} over the hours of the soak, {told}",
        bounds=(0.0, 1.04) if name == "goodput" else None,
    )


def _incidents(records: SoakRecords, series: Mapping[str, SoakSeries]) -> list[IncidentRow]:
    chosen = [series[name] for name in AROUND if name in series]
    rows: list[IncidentRow] = []
    last = ""
    for one in around(records.phases, chosen):
        times = "once" if one.times == 1 else f"{one.times} times"
        name = "" if one.incident == last else f"{one.incident}, {times}"
        last = one.incident
        rows.append(_row(one, name))
    return rows


def _row(one: AroundIncident, name: str) -> IncidentRow:
    before, during, after = (
        "not known" if value is None else one.measure.said(value)
        for value in (one.before, one.during, one.after)
    )
    return IncidentRow(name, one.measure.title, before, during, after)
