"""The files of a capacity search: capacity.json, levels.csv, answer.md, index.html and its charts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from windtunnel.harness.contract.capacity import ClientCapacity
from windtunnel.harness.contract.files import write_json, write_whole
from windtunnel.reports.capacity.answer import METHOD, answer, details, headline
from windtunnel.reports.capacity.as_json import capacity_json
from windtunnel.reports.capacity.charts.by_rate import good_calls, waits
from windtunnel.reports.capacity.charts.law import scalability
from windtunnel.reports.capacity.charts.sweep import hysteresis
from windtunnel.reports.capacity.charts.wall import wall_bars
from windtunnel.reports.capacity.levels import brief_table, levels_csv
from windtunnel.reports.capacity.plan import CapacityReport
from windtunnel.reports.capacity.planning import cost_table, rates_table
from windtunnel.reports.charts.svg import Chart, settings
from windtunnel.reports.page.html import rendered


def write_capacity(folder: Path, found: CapacityReport) -> None:
    """Write all of them into `folder`; their bytes depend on what was found alone."""
    write_json(folder / "capacity.json", capacity_json(found), indent=1)
    write_whole(folder / "levels.csv", levels_csv(found))
    write_whole(folder / "answer.md", answer(found))
    write_whole(folder / "index.html", page(found))


def page(found: CapacityReport) -> str:
    """index.html: one file with everything in it."""
    with settings():
        clients = [
            {
                "name": client.client,
                "ok": client.status == "found",
                "headline": headline(found, client),
                "details": list(details(found, client, tables=True)),
                "rates": rates_table(found.plan_of(client)),
                "costs": cost_table(client, found.plan_of(client)),
                "charts": [
                    (one.title.removesuffix(f": {client.client}"), Markup(one.inline))
                    for one in _charts(found, client)
                ],
                "levels": brief_table(found, client),
            }
            for client in found.clients
        ]
    return rendered(
        "capacity.html.j2",
        found=found,
        slo=", ".join(found.slo),
        clients=clients,
        method=METHOD,
    )


def _charts(found: CapacityReport, client: ClientCapacity) -> Iterator[Chart]:
    """The charts of one client, those that there is something for."""
    yield waits(found, client)
    yield good_calls(found, client)
    if any(level.flows for level in client.levels):
        yield scalability(found, client)
    if client.sweep is not None and client.sweep.steps:
        yield hysteresis(client, client.sweep)
    if client.wall is not None and (bars := wall_bars(client, client.wall)) is not None:
        yield bars
