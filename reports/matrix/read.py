"""From a folder with the runs of several scenarios to a Matrix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from windtunnel.harness.contract.files import RUNS_FILE, RUNS_VERSION, read_json
from windtunnel.harness.contract.units import seconds_or_none
from windtunnel.reports.errors import RunDirectoryError
from windtunnel.reports.matrix.model import COUNTS, CellState, Matrix, MatrixCell, MatrixScenario
from windtunnel.reports.metrics.figure import Figure


def read_matrix(folder: Path) -> Matrix:
    """Read what the reports in `folder` say. Raises `RunDirectoryError` if it is no folder of several runs."""
    told = read_json(folder / RUNS_FILE)
    if told.get("runs_version") != RUNS_VERSION:
        found = f"runs_version {told.get('runs_version')!r}"
        raise RunDirectoryError(folder / RUNS_FILE, found, f"runs_version {RUNS_VERSION}")
    scenarios, cells = [], {}
    clients: dict[str, None] = {}
    for name in told["scenarios"]:
        plan = _plan(folder / name / "plan.json")
        metrics = read_json(folder / name / "metrics.json")
        scenarios.append(_scenario(name, plan, has_report=(folder / name / "report.html").is_file()))
        for client in dict.fromkeys(cell["client"] for cell in plan["cells"]):
            clients[client] = None
            cells[name, client] = _cell(name, client, metrics)
    return Matrix(folder, tuple(scenarios), tuple(clients), cells, tuple(told.get("left_out") or ()))


def _plan(path: Path) -> dict[str, Any]:
    try:
        plan: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RunDirectoryError(path, f"something unreadable ({error})", "the JSON plan of a run") from error
    return plan


def _scenario(name: str, plan: Mapping[str, Any], *, has_report: bool) -> MatrixScenario:
    scenario = plan["scenario"]
    load = scenario["load"]
    known = [seconds_or_none(load.get(key)) for key in ("deadline", "objective_wait")]
    patience = next((seconds for seconds in known if seconds is not None), None)
    about, clock = str(scenario.get("about", "")), str(plan.get("clock", "real"))
    return MatrixScenario(name, about, int(plan.get("seed", 0)), clock, patience, has_report)


def _cell(scenario: str, client: str, metrics: Mapping[str, Any]) -> MatrixCell:
    """What a report says of a client. A cell is worth as much as the worst of its repeats."""
    own = metrics.get("clients", {}).get(client)
    cells = [cell for cell in metrics.get("cells", []) if cell.get("client") == client]
    if own is None or not cells:
        return MatrixCell(scenario, client, "not_played")
    state = _state(own, cells)
    if state not in COUNTS:
        return MatrixCell(scenario, client, state)
    figures = {
        name: Figure(
            one["value"], one["low"], one["high"], bool(one.get("censored")), str(one.get("reason", ""))
        )
        for name, one in own["overall"].items()
    }
    digest = cells[0].get("digest") if len(cells) == 1 else None
    return MatrixCell(scenario, client, state, figures, digest, tuple(own.get("findings", ())))


def _state(own: Mapping[str, Any], cells: list[Mapping[str, Any]]) -> CellState:
    states = {str(cell.get("state")) for cell in cells}
    if "invalid" in states:
        return "invalid"
    if not own.get("measured", True):
        return "not_measured"
    if any(cell.get("partial") for cell in cells):
        return "partial"
    return "noisy" if "noisy" in states else "valid"
