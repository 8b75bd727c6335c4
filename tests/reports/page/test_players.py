"""A client that another interpreter played: its versions are in metrics.json, in the report and on the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tests.reports.page.queue_simulation import CLIENTS
from tests.reports.page.rundir import write_run
from windtunnel.reports.build import write_report
from windtunnel.reports.figures.schema import metrics_schema
from windtunnel.reports.page.terminal import verdict_lines

OWN = {"python": "3.12.1", "system": "Linux", "cores": "2", "openai": "2.54.0", "httpx2": "absent"}
TOLD = "Python 3.12.1 with openai 2.54.0"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two clients, of which the first had an interpreter of its own."""
    folder = write_run(tmp_path_factory.mktemp("players") / "run", clients=CLIENTS[:2])
    plan = json.loads((folder / "plan.json").read_text())
    plan["cells"][0]["versions"] = OWN
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder


def test_the_versions_of_another_interpreter_are_shown(played: Path) -> None:
    """Only the client that had one has versions; what is of the machine is not repeated."""
    content = write_report(played).content
    metrics = json.loads((played / "metrics.json").read_text())
    jsonschema.validate(metrics, metrics_schema())
    first, second = (metrics["clients"][client.name] for client in CLIENTS[:2])
    assert first["versions"] == {"python": "3.12.1", "openai": "2.54.0", "httpx2": "absent"}
    assert "versions" not in second
    assert f"Played by {TOLD}." in (played / "report.html").read_text()
    assert f"{CLIENTS[0].name} was played by {TOLD}." in (played / "summary.md").read_text()
    assert f"  {CLIENTS[0].name} was played by {TOLD}" in verdict_lines(content)
