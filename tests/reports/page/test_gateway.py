"""The gateway's section: in the page, in the summary and in metrics.json, and only where there was one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.reports.tables import Row, attempt, call, cell_plan, quiet_lags, served, write_run
from windtunnel.reports.build import write_report
from windtunnel.reports.figures.schema import metrics_schema

GATEWAY = {"name": "planted", "about": "A gateway for tests.", "command": ["planted"]}


def rows(*, gateway_tries: int) -> dict[str, list[Row]]:
    """Ten calls of two attempts, each of which becomes so many requests; the last one is good."""
    calls, attempts, requests = [], [], []
    for n in range(10):
        at = n / 2
        calls.append(call(f"c{n}", at, at + 0.4))
        for made in range(2):
            begin = at + 0.2 * made
            status = 200 if made else 429
            more: dict[str, Any] = {} if made else {"retry_after_s": 0.1}
            attempts.append(attempt(f"c{n}", made, begin, begin + 0.19, status=status, **more))
            for tried in range(gateway_tries):
                whole = made == 1 and tried == gateway_tries - 1
                arrived = begin + 0.01 * tried
                requests.append(
                    served(
                        f"c{n}",
                        made * gateway_tries + tried,
                        arrived,
                        served_id=f"c{n}/0" if whole else f"c{n}/{made}{tried}",
                        status=200 if whole else 429,
                        ending="end",
                        identity="header",
                        retry_after_promised_s=None if whole else 5.0,
                        last_byte_s=arrived + 0.05,
                        ended_s=arrived + 0.05,
                    )
                )
    return {"calls": calls, "attempts": attempts, "served": requests, "lags": quiet_lags(10.0)}


def reported(
    folder: Path, *, gateway: dict[str, Any] | None, died: str | None = None
) -> tuple[Any, str, str]:
    """metrics.json, page and summary of a run of one cell."""
    plan = cell_plan() | ({"gateway": gateway} if gateway else {})
    write_run(folder, [(plan, rows(gateway_tries=3))])
    if died:
        record = {"died": died, "died_at_s": 4.5}
        (folder / plan["dir"] / "gateway.json").write_text(json.dumps(record))
    write_report(folder)
    metrics = json.loads((folder / "metrics.json").read_text())
    Draft202012Validator(metrics_schema()).validate(metrics)
    return metrics, (folder / "report.html").read_text(), (folder / "summary.md").read_text()


def test_the_way_of_a_call_is_shown_with_both_factors(tmp_path: Path) -> None:
    """Two attempts a call and three requests an attempt: the provider sees six, and page and summary say so."""
    metrics, page, summary = reported(tmp_path / "run", gateway=GATEWAY)
    overall = metrics["clients"]["polite"]["overall"]
    assert overall["client_amplification"]["value"] == 2
    assert overall["gateway_amplification"]["value"] == 3
    assert overall["gateway_orphans"]["value"] == 0
    assert overall["gateway_retry_after_kept"]["value"] == 0  # five seconds were promised, 0.1 were told
    assert metrics["gateway"] == {"name": "planted", "about": "A gateway for tests.", "deaths": []}
    assert "1 call → 2.00 attempts to planted → 6.00 requests to the provider" in summary
    assert "The gateway: planted" in page
    assert "6.00 requests to the provider" in page


def test_a_death_is_told_where_the_figures_are(tmp_path: Path) -> None:
    """In metrics.json, on the page and in the summary."""
    metrics, page, summary = reported(tmp_path / "run", gateway=GATEWAY, died="killed by SIGKILL")
    death = {"client": "polite", "repeat": 0, "at_s": 4.5, "how": "killed by SIGKILL"}
    assert metrics["gateway"]["deaths"] == [death]
    for text in (page, summary):
        assert "the gateway died at 4.50 s (killed by SIGKILL)" in text


def test_without_a_gateway_nothing_is_said_of_one(tmp_path: Path) -> None:
    """No section, no key, no metric."""
    metrics, page, summary = reported(tmp_path / "run", gateway=None)
    assert "gateway" not in metrics
    assert not any(name.startswith("gateway") for name in metrics["clients"]["polite"]["overall"])
    assert "The gateway" not in page + summary
