"""`windtunnel list`: name the scenarios, clients, faults or metrics."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer


class Listable(StrEnum):
    """What `windtunnel list` can list."""

    scenarios = "scenarios"
    clients = "clients"
    faults = "faults"
    metrics = "metrics"


def list_command(
    kind: Annotated[Listable, typer.Argument(help="What to list.")],
    as_json: Annotated[bool, typer.Option("--json", help="Everything known about each, as JSON.")] = False,
) -> None:
    """Say what there is, a line each."""
    found = _entries(kind)
    if as_json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return
    columns = [(entry["name"], _judged_by(entry), entry["about"]) for entry in found]
    width, judged = (max(len(column[i]) for column in columns) for i in (0, 1))
    for name, by, about in columns:
        print(f"{name:<{width}}  {by:<{judged}}  {about}" if judged else f"{name:<{width}}  {about}")


def _judged_by(entry: dict[str, Any]) -> str:
    """Of a metric which way is better, and its floor: the smallest difference that `ab` calls better or worse."""
    if not entry.get("floor"):
        return ""
    from windtunnel.harness.contract.metrics import Floor

    return f"{entry['better']} is better, floor {Floor(**entry['floor']).text(entry['unit'])}"


def _entries(kind: Listable) -> list[dict[str, Any]]:
    """Name, about and more of everything of a kind."""
    if kind in (Listable.scenarios, Listable.clients):
        from windtunnel.harness.inputs.gallery import list_clients, list_scenarios

        found = list_scenarios() if kind is Listable.scenarios else list_clients()
        return [{"name": entry.name, "about": entry.about, "file": str(entry.path)} for entry in found]
    if kind is Listable.faults:
        from windtunnel.mock_server.faults import FAULTS
        from windtunnel.mock_server.manual.faults import describe

        return describe(FAULTS.values())
    from windtunnel.harness.contract.metrics import describe as describe_metrics

    return describe_metrics()
