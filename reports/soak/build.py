"""From the folder of a soak to its report: index.html, summary.md, soak.json, aggregates-CLIENT.parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from windtunnel.harness.contract.files import SOAK_RUN, write_json, write_whole
from windtunnel.harness.contract.watch import WatchMark
from windtunnel.reports.charts.hours import over_hours
from windtunnel.reports.charts.svg import Chart
from windtunnel.reports.charts.view import Span
from windtunnel.reports.page.html import rendered
from windtunnel.reports.page.markdown import text
from windtunnel.reports.read.outcomes import judge as judged_calls
from windtunnel.reports.read.run_dir import load_run
from windtunnel.reports.soak.cycles import HOUR_S
from windtunnel.reports.soak.finding import SoakFinding
from windtunnel.reports.soak.judge import LEAST_CYCLES, SoakSeries, judge_all
from windtunnel.reports.soak.samples import SoakRecords, soak_records

SOAK_VERSION: Final = 1
ABOUT: Final = (
    "The same phases again and again. What grows from cycle to cycle, at equal phases, and does not stop?"
)


@dataclass(frozen=True, slots=True)
class SoakClient:
    """A client's part: what was found, or in `reason` why nothing can be said."""

    records: SoakRecords
    findings: tuple[SoakFinding, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SoakReport:
    """The whole report, which is written already."""

    scenario: str
    clients: tuple[SoakClient, ...]

    @property
    def findings(self) -> tuple[SoakFinding, ...]:
        return tuple(one for client in self.clients for one in client.findings)

    @property
    def measured(self) -> bool:
        """Whether something can be said of every client."""
        return not any(client.reason for client in self.clients)

    @property
    def lines(self) -> tuple[str, ...]:
        """What a terminal shows: a line for each finding, and for each client without one."""
        return tuple(line for client in self.clients for line in _lines(client))


def write_soak_report(folder: Path) -> SoakReport:
    """Write the report of the soak in `folder`. Raises `RunDirectoryError` if there is none."""
    run = load_run(folder / SOAK_RUN)
    clients = []
    for cell in run.cells:
        records = soak_records(judged_calls(cell), folder)
        reason = _not_measured(records, partial=cell.partial)
        found = () if reason else judge_all(records.series, records.phases)
        clients.append(SoakClient(records, found, reason))
        records.aggregates().to_parquet(folder / f"aggregates-{cell.client}.parquet")
    report = SoakReport(str(run.scenario["name"]), tuple(clients))
    write_json(folder / "soak.json", as_json(report), indent=1)
    write_whole(folder / "summary.md", _summary(report))
    write_whole(folder / "index.html", _page(report))
    return report


def as_json(report: SoakReport) -> dict[str, Any]:
    """The report as soak.json has it; `soak_schema` is its schema."""
    return {
        "soak_version": SOAK_VERSION,
        "scenario": report.scenario,
        "clients": [
            {
                "client": client.records.client,
                "hours": client.records.phases[-1].end_s / HOUR_S,
                "cycles": client.records.phases[-1].cycle + 1,
                "calls": client.records.calls,
                "reason": client.reason,
                "holes": [_hole(mark) for mark in client.records.holes],
                "watched": [series.measure.name for series in client.records.series],
                "findings": [_finding(one) for one in client.findings],
            }
            for client in report.clients
        ],
    }


def _finding(found: SoakFinding) -> dict[str, Any]:
    return {
        "measure": found.measure.name,
        "unit": found.measure.unit,
        "sentence": found.sentence,
        "since_h": found.since_h,
        "per_hour": found.per_hour,
        "low": found.low,
        "high": found.high,
        "first": found.first,
        "last": found.last,
        "limit": found.measure.limit,
        "hurts_h": found.hurts_h,
        "incident": found.incident,
        "detail": found.detail,
    }


def _hole(mark: WatchMark) -> dict[str, Any]:
    return {"mark": mark.mark, "from_h": mark.at_s / HOUR_S, "to_h": mark.until_s / HOUR_S, "why": mark.why}


def _not_measured(records: SoakRecords, *, partial: bool) -> str:
    cycles = records.phases[-1].cycle + 1
    if partial:
        return "it was cut off before its end"
    if not records.calls:
        return "no call was made"
    return f"{cycles} cycles: at least {LEAST_CYCLES} are needed" if cycles < LEAST_CYCLES else ""


def _lines(client: SoakClient) -> list[str]:
    name = client.records.client
    if client.reason:
        return [f"? {name}: not measured: {client.reason}"]
    if not client.findings:
        return [f"✓ {name}: nothing grows or slows down"]
    return [f"✗ {name}: {one.sentence}" for one in client.findings]


def _summary(report: SoakReport) -> str:
    head = [f"# Soak: {text(report.scenario)}", "", ABOUT, ""]
    return "\n".join([*head, *(f"- {text(line)}" for line in report.lines)]) + "\n"


def _page(report: SoakReport) -> str:
    records = report.clients[0].records
    last = records.phases[-1]
    return rendered(
        "soak.html.j2",
        title=report.scenario,
        about=ABOUT,
        chips=(
            f"{last.end_s / HOUR_S:.4g} hours",
            f"{last.cycle + 1} cycles",
            f"{records.calls:,} calls a client",
        ),
        clients=[
            {
                "name": client.records.client,
                "reason": client.reason,
                "findings": [one.sentence for one in client.findings],
                "watched": ", ".join(series.measure.title for series in client.records.series),
                "charts": [_chart(client.records, series) for series in _found_first(client)],
            }
            for client in sorted(report.clients, key=lambda one: not one.findings)
        ],
    )


def _found_first(client: SoakClient) -> Sequence[SoakSeries]:
    found = {one.measure.name for one in client.findings}
    return sorted(client.records.series, key=lambda series: series.measure.name not in found)


def _chart(records: SoakRecords, series: SoakSeries) -> Chart:
    measure = series.measure
    starts = {phase.cycle: phase.start_s for phase in reversed(records.phases)}
    there = series.values[np.isfinite(series.values)]
    told = "no value" if not len(there) else f"from {measure.said(there[0])} to {measure.said(there[-1])}"
    title = measure.title.capitalize() + (f" ({measure.unit})" if measure.unit else "")
    return over_hours(
        f"{records.client}-{measure.name}",
        title,
        series.at_s,
        series.values,
        [Span(one.name, one.start_s, one.end_s, one.incident) for one in records.phases],
        [*(starts[cycle] for cycle in sorted(starts)), records.phases[-1].end_s],
        f"{measure.title} over the hours of the soak, {told}",
    )
