"""From the folder of a soak to its report: index.html, summary.md, soak.json, aggregates-CLIENT.parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from windtunnel.harness.contract.files import SOAK_RUN, write_json, write_whole
from windtunnel.harness.contract.watch import WatchMark
from windtunnel.reports.page.markdown import text
from windtunnel.reports.read.outcomes import judge as judged_calls
from windtunnel.reports.read.run_dir import load_run
from windtunnel.reports.soak.cycles import HOUR_S
from windtunnel.reports.soak.finding import SoakFinding, Unseen
from windtunnel.reports.soak.judge import LEAST_CYCLES, judge_all, unseen, without
from windtunnel.reports.soak.page import ABOUT, soak_page
from windtunnel.reports.soak.report import SoakClient, SoakReport
from windtunnel.reports.soak.samples import SoakRecords, soak_records

SOAK_VERSION: Final = 1


def write_soak_report(folder: Path) -> SoakReport:
    """Write the report of the soak in `folder`. Raises `RunDirectoryError` if there is none."""
    run = load_run(folder / SOAK_RUN)
    clients = []
    for cell in run.cells:
        records = soak_records(judged_calls(cell), folder)
        reason = _not_measured(records, partial=cell.partial)
        found = () if reason else judge_all(records.series, records.phases)
        missed = tuple(unseen(one, records.phases) for one in without(records.series, found))
        if not reason and not found and all(one.per_hour is None for one in missed):
            reason = "too few values of every measure: holes and the soak's length leave fewer than 8"
        clients.append(SoakClient(records, found, reason, missed))
        records.aggregates().to_parquet(folder / f"aggregates-{cell.client}.parquet")
    report = SoakReport(str(run.scenario["name"]), tuple(clients))
    write_json(folder / "soak.json", as_json(report), indent=1)
    write_whole(folder / "summary.md", _summary(report))
    write_whole(folder / "index.html", soak_page(report))
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
                "unseen": [_unseen(one) for one in client.unseen],
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


def _unseen(missed: Unseen) -> dict[str, Any]:
    return {
        "measure": missed.measure.name,
        "unit": missed.measure.unit,
        "per_hour": missed.per_hour,
        "noisy": missed.noisy,
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


def _summary(report: SoakReport) -> str:
    head = [f"# Soak: {text(report.scenario)}", "", ABOUT, ""]
    return "\n".join([*head, *(f"- {text(line)}" for line in report.lines)]) + "\n"
