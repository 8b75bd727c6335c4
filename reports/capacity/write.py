"""The files of a capacity search: capacity.json, levels.csv, answer.md, index.html and its charts."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from windtunnel.harness.contract.files import write_json, write_whole
from windtunnel.reports.capacity.answer import METHOD, answer, details, headline
from windtunnel.reports.capacity.as_json import capacity_json
from windtunnel.reports.capacity.charts import good_calls, waits
from windtunnel.reports.capacity.levels import brief_table, levels_csv
from windtunnel.reports.capacity.plan import CapacityReport
from windtunnel.reports.charts.svg import settings
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
                "details": list(details(found, client)),
                "charts": [Markup(draw(found, client).inline) for draw in (waits, good_calls)],
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
