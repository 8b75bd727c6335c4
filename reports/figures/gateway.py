"""Which gateway stood between client and provider in a run, and in which cells it died."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from windtunnel.reports.read.run_dir import Run

RECORD: Final = "gateway.json"


@dataclass(frozen=True, slots=True)
class GatewayDeath:
    """A cell in which the gateway ended by itself: `at_s` from t0 (None: before it), and `how` in words."""

    client: str
    repeat: int
    at_s: float | None
    how: str


@dataclass(frozen=True, slots=True)
class GatewayFacts:
    """The gateway of a run. Clients lived with its deaths: what they made of them is in the figures."""

    name: str
    about: str
    deaths: tuple[GatewayDeath, ...] = ()


def gateway_facts(run: Run) -> GatewayFacts | None:
    """The gateway of a run; None if there was none."""
    described: Mapping[str, Any] | None = run.plan["cells"][0].get("gateway")
    if not described:
        return None
    deaths = []
    for cell in run.cells:
        record = _record(cell.folder)
        if record.get("died"):
            deaths.append(
                GatewayDeath(cell.client, cell.repeat, record.get("died_at_s"), str(record["died"]))
            )
    return GatewayFacts(str(described.get("name", "")), str(described.get("about", "")), tuple(deaths))


def _record(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
